package gateway

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// A server that is away is asked again so soon, then twice as late each time.
const (
	firstAskAgain   = 100 * time.Millisecond
	longestAskAgain = 2 * time.Second
)

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
//
// A browser comes back after a broken connection and after a 200 that ends, and after no other answer. So a server that
// is away, as while it restarts, or that has no room for another watcher, as when all come back behind a restart, is no
// error here: the stream is open, says comments, and goes on from its cursor when the server is back.
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
	f := follower{g: g, r: r, ctx: ctx, cursor: cursor, out: eventWriter{w: w}}
	f.run()
}

// errSeenAll ends a stream whose client has seen the last event of a job that has ended.
var errSeenAll = errors.New("nothing more will come")

// follower carries the events of one job to one client, over as many calls as it takes.
type follower struct {
	g         *Gateway
	r         *http.Request
	ctx       context.Context // of the calls
	cursor    uint64          // of the last event that was written
	out       eventWriter
	awaySince time.Time // zero while the server is there
	askAgain  time.Duration
}

func (f *follower) run() {
	for {
		err := f.follow()
		switch {
		case errors.Is(err, errSeenAll), errors.Is(err, io.EOF) && !f.out.begun:
			f.out.w.WriteHeader(http.StatusNoContent)
			return
		case errors.Is(err, io.EOF):
			f.out.end()
			return
		case f.isAway(err):
			if !f.wait(err) {
				return
			}
		case f.out.begun:
			f.out.failure(f.r, err)
			return
		default:
			writeError(f.out.w, f.r, err)
			return
		}
	}
}

// follow writes what one call says, until its end: io.EOF where all is said.
func (f *follower) follow() error {
	request := &lbwv1.WatchJobRequest{Name: resourceName(f.r, ":watch"), AfterCursor: f.cursor}
	stream, err := f.g.jobs.WatchJob(f.ctx, request)
	for err == nil {
		var message *lbwv1.WatchJobResponse
		if message, err = stream.Recv(); err != nil {
			break
		}
		f.awaySince = time.Time{}
		if !f.out.begun && f.hasSeenAll(message) {
			return errSeenAll
		}
		f.out.begin()
		for _, event := range message.GetEvents() {
			f.cursor = max(f.cursor, event.GetCursor())
		}
		f.out.answer(message)
		f.abortIfUnread()
	}
	return err
}

func (f *follower) hasSeenAll(first *lbwv1.WatchJobResponse) bool {
	return f.r.Header.Get("Last-Event-ID") != "" && len(first.GetEvents()) == 0 && hasEnded(first.GetJob().GetState())
}

// isAway says whether the server is not there, going (a stream that it cuts off reads as cancelled) or full.
func (f *follower) isAway(err error) bool {
	code := status.Code(err)
	return f.ctx.Err() == nil && (code == codes.Unavailable || code == codes.Canceled || code == codes.ResourceExhausted)
}

// wait keeps the stream open until it is time to ask the server again. False where the stream is to end: a browser
// comes back by itself, perhaps to another gateway.
func (f *follower) wait(err error) bool {
	if f.awaySince.IsZero() {
		f.awaySince, f.askAgain = time.Now(), firstAskAgain
	}
	f.out.begin()
	if status.Code(err) == codes.ResourceExhausted {
		f.out.comment("the server is full")
	} else {
		f.out.comment("the server is away")
	}
	f.out.flush()
	f.abortIfUnread()
	if f.g.draining.Load() || time.Since(f.awaySince) >= f.g.limits.AwayPatience {
		callOf(f.r.Context()).failed(polish(err))
		return false
	}
	timer := time.NewTimer(f.askAgain)
	defer timer.Stop()
	f.askAgain = min(2*f.askAgain, longestAskAgain)
	select {
	case <-timer.C:
		return true
	case <-f.ctx.Done():
		f.out.failure(f.r, status.FromContextError(f.ctx.Err()).Err())
		return false
	}
}

func (f *follower) abortIfUnread() {
	if f.out.err != nil {
		abort(f.r, fail(codes.Canceled, "CANCELLED", "the client does not read: %v", f.out.err))
	}
}
