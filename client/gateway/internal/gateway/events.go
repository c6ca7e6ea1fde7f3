package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// oneLine is the JSON of an event's data: a newline would end it.
var oneLine = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// retryMillis is how long a browser waits before it connects again.
const retryMillis = 2000

func (r *route) isWatch() bool {
	return r.rpc != nil && r.rpc.FullName() == "lbw.v1.JobService.WatchJob"
}

// wantsEvents says whether the client would rather have server-sent events than JSON lines.
func wantsEvents(r *http.Request) bool {
	for _, entry := range strings.Split(r.Header.Get("Accept"), ",") {
		if kind, _, err := mime.ParseMediaType(entry); err == nil && kind == "text/event-stream" {
			return true
		}
	}
	return false
}

// afterCursor is the event a client saw last: Last-Event-ID, which a browser sends when it connects again, goes before
// the query.
func afterCursor(r *http.Request) (uint64, error) {
	field, text := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		field, text = "after_cursor", r.URL.Query().Get("after_cursor")
	}
	if text == "" {
		return 0, nil
	}
	cursor, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, badField("after_cursor", "%s: %q is not the cursor of an event", field, text)
	}
	return cursor, nil
}

func hasEnded(state lbwv1.JobState) bool {
	return state == lbwv1.JobState_JOB_STATE_SUCCEEDED || state == lbwv1.JobState_JOB_STATE_FAILED ||
		state == lbwv1.JobState_JOB_STATE_CANCELLED
}

// watchEvents answers a job's events as server-sent events: state, progress, message and checkpoint with the event's
// cursor as id; job with the job as it stands; end after the last. A browser that connects again after the end gets 204
// and gives up.
func (g *Gateway) watchEvents(w http.ResponseWriter, r *http.Request) {
	cursor, err := afterCursor(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	ctx, err := g.outgoing(r, lbwv1.JobService_WatchJob_FullMethodName)
	if err != nil {
		writeError(w, r, err)
		return
	}
	stream, err := g.jobs.WatchJob(ctx, &lbwv1.WatchJobRequest{Name: resourceName(r, ":watch"), AfterCursor: cursor})
	if err != nil {
		writeError(w, r, err)
		return
	}
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		writeError(w, r, err)
		return
	}
	seenAll := r.Header.Get("Last-Event-ID") != "" && len(first.GetEvents()) == 0 && hasEnded(first.GetJob().GetState())
	if err != nil || seenAll {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // proxies that hold answers back
	out := eventWriter{w: w}
	out.text("retry: %d\n\n", retryMillis)
	for message := first; err == nil; message, err = stream.Recv() {
		out.answer(message)
		if out.err != nil {
			abort(r, fail(codes.Canceled, "CANCELLED", "the client does not read: %v", out.err))
		}
	}
	if errors.Is(err, io.EOF) {
		out.text("event: end\ndata: {}\n\n")
		out.flush()
		return
	}
	out.failure(r, err)
}

// eventWriter writes until the first error.
type eventWriter struct {
	w   http.ResponseWriter
	err error
}

func (e *eventWriter) text(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (e *eventWriter) data(kind string, message proto.Message) {
	line, err := oneLine.Marshal(message)
	if err != nil {
		e.err = err
		return
	}
	e.text("event: %s\ndata: %s\n\n", kind, line)
}

func (e *eventWriter) flush() {
	if flusher, ok := e.w.(http.Flusher); ok && e.err == nil {
		flusher.Flush()
	}
}

// answer writes the events of one message, then the job where it has one.
func (e *eventWriter) answer(message *lbwv1.WatchJobResponse) {
	for _, event := range message.GetEvents() {
		e.text("id: %d\n", event.GetCursor())
		switch event.GetKind().(type) {
		case *lbwv1.JobEvent_State:
			e.data("state", event)
		case *lbwv1.JobEvent_Progress:
			e.data("progress", event)
		case *lbwv1.JobEvent_Checkpoint:
			e.data("checkpoint", event)
		default:
			e.data("message", event)
		}
	}
	if message.GetJob() != nil {
		e.data("job", message.GetJob())
	}
	if len(message.GetEvents()) == 0 && message.GetJob() == nil {
		e.text(": still here\n\n")
	}
	e.flush()
}

// failure writes what ended the stream. A browser connects again by itself, from its last event.
func (e *eventWriter) failure(r *http.Request, err error) {
	err = polish(err)
	call := callOf(r.Context())
	call.grpcCode, call.err = status.Code(err), err
	e.text("event: error\ndata: %s\n\n", bytes.TrimSpace(encodeError(err)))
	e.flush()
}
