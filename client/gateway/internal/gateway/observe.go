package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
)

// observe gives a request its id and its idle limits, runs it, and counts and logs it however it ends.
func (g *Gateway) observe(w http.ResponseWriter, r *http.Request, found *route, serve http.HandlerFunc) {
	start := time.Now()
	out := &response{ResponseWriter: w, control: http.NewResponseController(w), timeout: g.limits.IdleTimeout}
	call := &call{requestID: requestID(r), header: w.Header(), grpcCode: codes.OK}
	r = r.WithContext(withCall(r.Context(), call))
	r.Header.Set(headerRequestID, call.requestID)
	w.Header().Set(headerRequestID, call.requestID)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	body := &countedBody{ReadCloser: r.Body}
	r.Body = body
	if r.ContentLength != 0 {
		idle := &idleBody{ReadCloser: body, call: call, control: out.control, timeout: g.limits.IdleTimeout}
		defer idle.extend()
		r.Body = idle
	}

	template := "unmatched"
	if found != nil {
		template = found.label()
	}
	g.metrics.inFlight.Inc()
	defer func() {
		panicked := recover()
		g.metrics.inFlight.Dec()
		if panicked != nil && panicked != http.ErrAbortHandler {
			g.logger.Error("a handler panicked", "panic", panicked, "stack", string(debug.Stack()), "request_id", call.requestID)
			if out.status == 0 {
				writeError(out, r, fail(codes.Internal, reasonInternal, "the gateway failed; request %s", call.requestID))
				panicked = nil
			} else {
				panicked = http.ErrAbortHandler
			}
		}
		g.finish(r, template, out, body.bytes, time.Since(start))
		if panicked != nil {
			panic(panicked) // ends the connection, so that the client sees that the answer is not whole
		}
	}()
	serve(out, r)
}

func (g *Gateway) finish(r *http.Request, template string, out *response, bodyBytes int64, took time.Duration) {
	call := callOf(r.Context())
	code := out.status
	if code == 0 {
		code = http.StatusOK
	}
	method := knownMethod(r.Method)
	g.metrics.requests.WithLabelValues(method, template, strconv.Itoa(code), codeName(call.grpcCode)).Inc()
	g.metrics.seconds.WithLabelValues(method, template).Observe(took.Seconds())
	g.metrics.received.Add(float64(bodyBytes))
	g.metrics.sent.Add(float64(out.bytes))

	level := slog.LevelInfo
	switch {
	case code >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case template == "/livez" || template == "/readyz" || template == "/metrics":
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("route", template),
		slog.Int("http_status", code), slog.String("code", codeName(call.grpcCode)),
		slog.Float64("duration_ms", float64(took.Microseconds())/1e3),
		slog.Int64("received_bytes", bodyBytes), slog.Int64("sent_bytes", out.bytes),
		slog.String("request_id", call.requestID), slog.String("peer", r.RemoteAddr),
	}
	if call.err != nil {
		attrs = append(attrs, slog.String("error", truncate(call.err.Error())))
	}
	g.logger.LogAttrs(r.Context(), level, "request", attrs...)
}

// A method that is not one of these is the client's word and may not become a label.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return "OTHER"
}

// response counts what is written and ends a client that does not read.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	status  int
	bytes   int64
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(code int) {
	if w.status == 0 && code >= http.StatusOK {
		w.status = code
	}
	w.extend()
	w.ResponseWriter.WriteHeader(code)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Flush sends what is buffered.
func (w *response) Flush() {
	w.extend()
	_ = w.control.Flush()
}

func (w *response) extend() {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.timeout))
}

type countedBody struct {
	io.ReadCloser
	bytes int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	return n, err
}
