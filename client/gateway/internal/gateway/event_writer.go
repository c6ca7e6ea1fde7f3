package gateway

import (
	"bytes"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// oneLine is the JSON of an event's data: a newline would end it.
var oneLine = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// retryMillis is how long a browser waits before it connects again.
const retryMillis = 2000

// eventWriter writes until the first error.
type eventWriter struct {
	w     http.ResponseWriter
	begun bool
	err   error
}

// begin sends the headers, and how soon a browser that is cut off should come again.
func (e *eventWriter) begin() {
	if e.begun {
		return
	}
	e.begun = true
	header := e.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // proxies that hold answers back
	e.text("retry: %d\n\n", retryMillis)
}

func (e *eventWriter) text(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

// comment is heard by proxies and by a client that counts the seconds, and by no listener.
func (e *eventWriter) comment(text string) { e.text(": %s\n\n", text) }

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
		e.comment("still here")
	}
	e.flush()
}

func (e *eventWriter) end() {
	e.text("event: end\ndata: {}\n\n")
	e.flush()
}

// failure writes what ended the stream. A browser connects again by itself, from its last event, and hears the same as
// the status of an answer.
func (e *eventWriter) failure(r *http.Request, err error) {
	err = polish(err)
	callOf(r.Context()).failed(err)
	e.text("event: error\ndata: %s\n\n", bytes.TrimSpace(encodeError(err)))
	e.flush()
}
