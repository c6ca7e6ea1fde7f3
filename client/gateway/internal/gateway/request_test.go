package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

func TestRequestIDTravelsBothWays(t *testing.T) {
	f := &fake{}
	w := newWorld(t, f, Limits{})
	got := w.do("GET", "/v1/status", "", header{"X-Request-Id": "abc-1", "Traceparent": "00-1-2-01", "X-Secret": "s", "Grpc-Metadata-X": "y"})
	_, _, md, _ := f.last()
	if got.header.Get("X-Request-Id") != "abc-1" || strings.Join(md.Get("x-request-id"), ",") != "abc-1" {
		t.Errorf("%v, %v", got.header, md)
	}
	if len(md.Get("traceparent")) != 1 || len(md.Get("x-secret")) != 0 || len(md.Get("x")) != 0 {
		t.Errorf("forwarded %v", md)
	}
	w.do("POST", "/v1/models/m:detect", "x", header{"Content-Type": "image/png", "X-Request-Id": "abc-2", "Authorization": "Bearer t"})
	_, _, md, _ = f.last()
	if strings.Join(md.Get("x-request-id"), ",") != "abc-2" || strings.Join(md.Get("authorization"), ",") != "Bearer t" {
		t.Errorf("%v", md)
	}
	made := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for _, id := range []string{"", "has space", strings.Repeat("a", 129)} {
		if got := w.do("GET", "/v1/nothing", "", header{"X-Request-Id": id}); !made.MatchString(got.header.Get("X-Request-Id")) {
			t.Errorf("for %q: %q", id, got.header.Get("X-Request-Id"))
		}
	}
}

func TestDeadlineReachesTheServer(t *testing.T) {
	f := &fake{}
	w := newWorld(t, f, Limits{})
	for _, h := range []header{{"X-Timeout-Ms": "60000"}, {"Grpc-Timeout": "1M"}, {"X-Timeout-Ms": "60000", "Grpc-Timeout": "1H"}} {
		for _, path := range []string{"/v1/models/m:detect", "/v1/models/m:quantize"} {
			h["Content-Type"] = map[bool]string{true: "image/png", false: "application/json"}[strings.HasSuffix(path, "detect")]
			before := time.Now()
			w.do("POST", path, map[bool]string{true: "x", false: "{}"}[strings.HasSuffix(path, "detect")], h).wantOK()
			if _, _, _, deadline := f.last(); deadline.Before(before) || deadline.After(time.Now().Add(61*time.Second)) {
				t.Errorf("%v %s: deadline %v", h, path, deadline)
			}
		}
	}
	w.do("GET", "/v1/status", "", nil).wantOK()
	if _, _, _, deadline := f.last(); !deadline.IsZero() {
		t.Errorf("a deadline that nobody gave: %v", deadline)
	}
}

func TestBadDeadlineIsNamed(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	for name, values := range map[string][]string{
		"X-Timeout-Ms": {"0", "-1", "1s", "99999999999", "86400001"},
		"Grpc-Timeout": {"1", "S", "1X", "123456789S", "25H"},
	} {
		for _, value := range values {
			w.do("GET", "/v1/status", "", header{name: value}).wantError(400, "INVALID_ARGUMENT", name)
		}
	}
}

func TestDeadlineThatPasses(t *testing.T) {
	f := &fake{answer: func(ctx context.Context, _ proto.Message) (proto.Message, error) {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}}
	w := newWorld(t, f, Limits{})
	e := w.do("GET", "/v1/status", "", header{"X-Timeout-Ms": "5"}).wantError(504, "DEADLINE_EXCEEDED", "")
	if e.detail("ErrorInfo", "reason") != "DEADLINE" {
		t.Errorf("details %s", e.Details)
	}
}

// The client goes away while the server computes; the server learns of it.
func TestCancellationReachesTheServer(t *testing.T) {
	for name, media := range map[string]string{"generated": "application/json", "picture": "image/png"} {
		t.Run(name, func(t *testing.T) {
			entered, cancelled := make(chan struct{}), make(chan struct{})
			f := &fake{answer: func(ctx context.Context, _ proto.Message) (proto.Message, error) {
				close(entered)
				<-ctx.Done()
				close(cancelled)
				return nil, status.Error(codes.Canceled, "gone")
			}}
			w := newWorld(t, f, Limits{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := w.request("POST", "/v1/models/m:detect", strings.NewReader("{}"), header{"Content-Type": media}).WithContext(ctx)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if response, err := w.client.Do(r); err == nil {
					response.Body.Close()
				}
			}()
			wait(t, "the call", entered)
			cancel()
			wait(t, "the cancellation", cancelled)
			wait(t, "the client", ended)
		})
	}
}

// unsized hides a body's length, so that it travels in pieces.
type unsized struct{ io.Reader }

func TestBodyLimit(t *testing.T) {
	const limit = 1000
	f := finder()
	w := newWorld(t, f, Limits{MaxBodyBytes: limit})
	pad := func(text string, n int) string { return text + strings.Repeat(" ", n-len(text)) }
	for _, row := range []struct{ path, media, body string }{
		{"/v1/models/m:detect", "image/jpeg", "x"},
		{"/v1/models/m:detect", "application/json", "{}"},
	} {
		h := header{"Content-Type": row.media}
		w.do("POST", row.path, pad(row.body, limit), h).wantOK()
		w.send(w.request("POST", row.path, unsized{strings.NewReader(pad(row.body, limit))}, h)).wantOK()
		calls := len(f.methods)
		e := w.do("POST", row.path, pad(row.body, limit+1), h).wantError(413, "INVALID_ARGUMENT", "limit 1000 bytes")
		if e.detail("ErrorInfo", "reason") != "LIMIT_EXCEEDED" {
			t.Errorf("details %s", e.Details)
		}
		w.send(w.request("POST", row.path, unsized{strings.NewReader(pad(row.body, limit+1))}, h)).
			wantError(413, "INVALID_ARGUMENT", "limit 1000 bytes")
		if len(f.methods) != calls {
			t.Error("a body over the limit reached the server")
		}
	}
	body, media := form([2]string{"image", strings.Repeat("x", limit)})
	w.send(w.request("POST", "/v1/models/m:detect", unsized{strings.NewReader(body)}, header{"Content-Type": media})).
		wantError(413, "INVALID_ARGUMENT", "limit 1000 bytes")
}

// While one body fills the budget, another is told to come again; when the first is answered there is room.
func TestBufferedBytesAreBounded(t *testing.T) {
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	f := &fake{answer: func(ctx context.Context, r proto.Message) (proto.Message, error) {
		if len(r.(*lbwv1.DetectRequest).GetImages()[0]) == 1000 {
			entered <- struct{}{}
			<-leave
		}
		return &lbwv1.DetectResponse{}, nil
	}}
	w := newWorld(t, f, Limits{MaxBodyBytes: 1000, MaxBufferedBytes: 1000})
	h := header{"Content-Type": "image/jpeg"}
	first := w.request("POST", "/v1/models/m:detect", strings.NewReader(strings.Repeat("x", 1000)), h)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if response, err := w.client.Do(first); err == nil {
			response.Body.Close()
		}
	}()
	waitFor(t, entered)
	got := w.do("POST", "/v1/models/m:detect", "y", h)
	e := got.wantError(429, "RESOURCE_EXHAUSTED", "limit 1000")
	if e.detail("ErrorInfo", "reason") != "OUT_OF_ROOM" || got.header.Get("Retry-After") != "1" {
		t.Errorf("%v %s", got.header, e.Details)
	}
	w.do("GET", "/livez", "", nil)
	close(leave)
	wait(t, "the first", ended)
	w.do("POST", "/v1/models/m:detect", "y", h).wantOK()
	if left := w.gateway.buffered.Load(); left != 0 {
		t.Errorf("%d bytes are still counted", left)
	}
}

func waitFor(t *testing.T, entered <-chan struct{}) {
	t.Helper()
	select {
	case <-entered:
	case <-time.After(patience):
		t.Fatal("the call did not arrive")
	}
}

func TestBodyThatStopsComing(t *testing.T) {
	w := newWorld(t, finder(), Limits{IdleTimeout: 30 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1/models/m:detect HTTP/1.1\r\nHost: h\r\nContent-Type: image/jpeg\r\nContent-Length: 10\r\n\r\nfour")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	answer{response.StatusCode, response.Header, body, t}.wantError(408, "DEADLINE_EXCEEDED", "stopped coming")
}

// A call may take longer than the idle time: only a client that does not send or read is idle.
func TestIdleTimeIsNotACallsTime(t *testing.T) {
	const idle = 30 * time.Millisecond
	f := &fake{answer: func(ctx context.Context, _ proto.Message) (proto.Message, error) {
		timer := time.NewTimer(4 * idle)
		defer timer.Stop()
		select {
		case <-timer.C:
			return &lbwv1.DetectResponse{}, nil
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}}
	w := newWorld(t, f, Limits{IdleTimeout: idle})
	w.do("POST", "/v1/models/m:detect", "x", header{"Content-Type": "image/jpeg"}).wantOK()
	w.json("POST", "/v1/models/m:detect", "{}").wantOK()
}

func TestHeadHasNoBody(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	got := w.do("HEAD", "/v1/models", "", nil)
	if got.code != http.StatusOK || len(got.body) != 0 {
		t.Errorf("%d %q", got.code, got.body)
	}
}
