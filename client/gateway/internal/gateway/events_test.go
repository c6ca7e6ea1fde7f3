package gateway

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	lbwv1 "lbwserve/gen/lbw/v1"
)

const watchPath = "/v1/jobs/j1:watch"

var events = header{"Accept": "text/event-stream"}

func progress(cursor uint64) *lbwv1.JobEvent {
	return &lbwv1.JobEvent{Cursor: cursor, Kind: &lbwv1.JobEvent_Progress{
		Progress: &lbwv1.JobProgress{Step: cursor, Stage: "two\nlines"}}}
}

// script answers two events, the job, and then whatever end says.
func script(end error) *fake {
	f := &fake{}
	f.watch = func(r *lbwv1.WatchJobRequest, s grpc.ServerStreamingServer[lbwv1.WatchJobResponse]) error {
		f.record(s.Context(), "watch", r)
		var list []*lbwv1.JobEvent
		for cursor := r.GetAfterCursor() + 1; cursor <= 2; cursor++ {
			list = append(list, progress(cursor))
		}
		answers := []*lbwv1.WatchJobResponse{
			{Events: list, Job: &lbwv1.Job{Name: "jobs/j1", State: lbwv1.JobState_JOB_STATE_SUCCEEDED}}, {}}
		for _, answer := range answers {
			if err := s.Send(answer); err != nil {
				return err
			}
		}
		return end
	}
	return f
}

func TestEventsHaveIdsTypesAndAnEnd(t *testing.T) {
	w := newWorld(t, script(nil), Limits{})
	got := w.do("GET", watchPath, "", events)
	if got.code != 200 || got.header.Get("Content-Type") != "text/event-stream" || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("HTTP %d, %v", got.code, got.header)
	}
	var lines []string
	scanner := bufio.NewScanner(strings.NewReader(string(got.body)))
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "{")
		lines = append(lines, line)
	}
	want := "retry: 2000||id: 1|event: progress|data: ||id: 2|event: progress|data: ||event: job|data: ||: still here||event: end|data: |"
	if strings.Join(lines, "|") != want {
		t.Errorf("got %s", strings.Join(lines, "|"))
	}
	if !strings.Contains(string(got.body), `"stage":"two\nlines"`) && !strings.Contains(string(got.body), `"stage": "two\nlines"`) {
		t.Errorf("a newline in a value: %s", got.body)
	}
}

// A browser connects again with the id of the last event it saw.
func TestEventsGoOnFromTheLastOneSeen(t *testing.T) {
	f := script(nil)
	w := newWorld(t, f, Limits{})
	for _, row := range []struct {
		path string
		h    header
		want uint64
	}{
		{watchPath, header{"Accept": "text/event-stream", "Last-Event-ID": "1"}, 1},
		{watchPath + "?after_cursor=2", events, 2},
		{watchPath + "?after_cursor=7", header{"Accept": "text/event-stream", "Last-Event-ID": "1"}, 1},
	} {
		w.do("GET", row.path, "", row.h)
		_, request, _, _ := f.last()
		if got := request.(*lbwv1.WatchJobRequest).GetAfterCursor(); got != row.want {
			t.Errorf("%s %v: after_cursor=%d, want %d", row.path, row.h, got, row.want)
		}
	}
	got := w.do("GET", watchPath, "", header{"Accept": "text/event-stream", "Last-Event-ID": "2"})
	if got.code != 204 || len(got.body) != 0 {
		t.Errorf("after the end: HTTP %d, %q", got.code, got.body)
	}
	w.do("GET", watchPath, "", header{"Accept": "text/event-stream", "Last-Event-ID": "x"}).
		wantError(400, "INVALID_ARGUMENT", "Last-Event-ID")
}

func TestEventsThatFail(t *testing.T) {
	w := newWorld(t, script(status.Error(codes.DataLoss, "a row is damaged")), Limits{})
	got := w.do("GET", watchPath, "", events)
	if got.code != 200 || !strings.Contains(string(got.body), "event: error\ndata: {\"error\":") ||
		strings.Contains(string(got.body), "event: end") {
		t.Errorf("HTTP %d: %s", got.code, got.body)
	}
	f := &fake{watch: func(*lbwv1.WatchJobRequest, grpc.ServerStreamingServer[lbwv1.WatchJobResponse]) error {
		return status.Error(codes.NotFound, "there is no jobs/j1")
	}}
	newWorld(t, f, Limits{}).do("GET", watchPath, "", events).wantError(404, "NOT_FOUND", "jobs/j1")
}

// counting answers events without end, one at a time, from the cursor on: each call as many as perCall, then it waits for
// its end. The fifth is the last.
func counting(perCall uint64) *fake {
	f := &fake{}
	f.watch = func(r *lbwv1.WatchJobRequest, s grpc.ServerStreamingServer[lbwv1.WatchJobResponse]) error {
		f.record(s.Context(), "watch", r)
		if r.GetName() != "jobs/j1" {
			return status.Error(codes.NotFound, "there is no "+r.GetName())
		}
		for cursor := r.GetAfterCursor() + 1; cursor <= 5; cursor++ {
			if cursor > r.GetAfterCursor()+perCall {
				<-s.Context().Done()
				return s.Context().Err()
			}
			if err := s.Send(&lbwv1.WatchJobResponse{Events: []*lbwv1.JobEvent{progress(cursor)}}); err != nil {
				return err
			}
		}
		return nil
	}
	return f
}

// eventStream is an answer that is read while it is written.
type eventStream struct {
	t     *testing.T
	code  int
	kind  string
	lines *bufio.Scanner
	ids   []string
}

func (w *world) openEvents(path string, h header) *eventStream {
	w.t.Helper()
	response, err := w.client.Do(w.request("GET", path, strings.NewReader(""), h))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = response.Body.Close() })
	return &eventStream{t: w.t, code: response.StatusCode, kind: response.Header.Get("Content-Type"),
		lines: bufio.NewScanner(response.Body)}
}

// until reads to a line that begins so; false where the stream ends before.
func (e *eventStream) until(prefix string) bool {
	e.t.Helper()
	for e.lines.Scan() {
		if id, ok := strings.CutPrefix(e.lines.Text(), "id: "); ok {
			e.ids = append(e.ids, id)
		}
		if strings.HasPrefix(e.lines.Text(), "event: error") {
			e.t.Errorf("an error on the stream: %s", e.lines.Text())
		}
		if strings.HasPrefix(e.lines.Text(), prefix) {
			return true
		}
	}
	return false
}

// A browser gives up for good on a 503, and the page stayed as it was when the server restarted.
func TestEventsSurviveAServerThatIsAwayWhenTheyBegin(t *testing.T) {
	w := newWorld(t, counting(5), Limits{})
	w.stopBackend()
	stream := w.openEvents(watchPath, header{"Accept": "text/event-stream", "Last-Event-ID": "2"})
	if stream.code != 200 || stream.kind != "text/event-stream" {
		t.Fatalf("HTTP %d, %s", stream.code, stream.kind)
	}
	if !stream.until("retry: ") || !stream.until(": the server is away") {
		t.Fatal("nothing is said while the server is away")
	}
	w.startBackend()
	if !stream.until("event: end") || strings.Join(stream.ids, " ") != "3 4 5" {
		t.Errorf("events %v", stream.ids)
	}
	// Behind the end a browser comes again, with the last id.
	if got := w.do("GET", watchPath, "", header{"Accept": "text/event-stream", "Last-Event-ID": "5"}); got.code != 204 {
		t.Errorf("after the end: HTTP %d", got.code)
	}
}

func TestEventsSurviveAServerThatRestartsMeanwhile(t *testing.T) {
	f := counting(2)
	w := newWorld(t, f, Limits{})
	stream := w.openEvents(watchPath, events)
	for _, last := range []string{"id: 2", "id: 4"} {
		if !stream.until(last) {
			t.Fatalf("no %s, but %v", last, stream.ids)
		}
		w.stopBackend()
		if !stream.until(": the server is away") {
			t.Fatal("nothing is said while the server is away")
		}
		w.startBackend()
	}
	if !stream.until("event: end") || strings.Join(stream.ids, " ") != "1 2 3 4 5" {
		t.Errorf("events %v", stream.ids)
	}
	if _, request, _, _ := f.last(); request.(*lbwv1.WatchJobRequest).GetAfterCursor() != 4 {
		t.Errorf("asked for %v", request)
	}
}

// A server that drains says UNAVAILABLE itself, and that it cuts off its streams reads as cancelled.
func TestEventsSurviveADrain(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.Canceled} {
		draining := true
		f := script(nil)
		answer := f.watch
		f.watch = func(r *lbwv1.WatchJobRequest, s grpc.ServerStreamingServer[lbwv1.WatchJobResponse]) error {
			if draining {
				draining = false
				return status.Error(code, "draining")
			}
			return answer(r, s)
		}
		got := newWorld(t, f, Limits{}).do("GET", watchPath, "", events)
		if body := string(got.body); got.code != 200 || strings.Contains(body, "event: error") || !strings.Contains(body, "event: end") {
			t.Errorf("%v: HTTP %d: %s", code, got.code, body)
		}
	}
}

// Behind a restart everybody comes back at once. A browser gives up for good on a 429.
func TestEventsSurviveAServerThatHasNoRoomForAnotherWatcherYet(t *testing.T) {
	refusals := 2
	f := script(nil)
	answer := f.watch
	f.watch = func(r *lbwv1.WatchJobRequest, s grpc.ServerStreamingServer[lbwv1.WatchJobResponse]) error {
		if refusals > 0 {
			refusals--
			return status.Error(codes.ResourceExhausted, "too many watchers: limit=64")
		}
		return answer(r, s)
	}
	w := newWorld(t, f, Limits{})
	begun := time.Now()
	got := w.do("GET", watchPath, "", events)
	body := string(got.body)
	if got.code != 200 || strings.Count(body, ": the server is full") != 2 || !strings.Contains(body, "event: end") {
		t.Errorf("HTTP %d: %s", got.code, body)
	}
	if waited := time.Since(begun); waited < 3*firstAskAgain {
		t.Errorf("asked twice again within %v", waited)
	}
	// Without events it is an answer like any other.
	refusals = 1
	w.do("GET", watchPath, "", nil).wantError(429, "RESOURCE_EXHAUSTED", "too many watchers")
}

func TestEventsOfAJobThatIsNotThereAre404AfterARestartToo(t *testing.T) {
	w := newWorld(t, counting(5), Limits{})
	w.do("GET", "/v1/jobs/j2:watch", "", events).wantError(404, "NOT_FOUND", "jobs/j2")
	w.stopBackend()
	stream := w.openEvents("/v1/jobs/j2:watch", events)
	if !stream.until(": the server is away") {
		t.Fatal("nothing is said while the server is away")
	}
	w.startBackend()
	var last string
	for stream.lines.Scan() {
		if stream.lines.Text() != "" {
			last = stream.lines.Text()
		}
	}
	if !strings.Contains(last, "NOT_FOUND") {
		t.Errorf("the stream ended with %q", last)
	}
}

// The stream ends, as a 200 does: the browser comes again after its retry time.
func TestEventsDoNotWaitForEver(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"patience": func(*world) {},
		"drain":    func(w *world) { w.gateway.Drain() },
	} {
		limits := Limits{AwayPatience: time.Nanosecond}
		if name == "drain" {
			limits = Limits{}
		}
		w := newWorld(t, counting(5), limits)
		w.stopBackend()
		prepare(w)
		got := w.do("GET", watchPath, "", events)
		if got.code != 200 || !strings.HasPrefix(string(got.body), "retry: ") || strings.Contains(string(got.body), "event:") {
			t.Errorf("%s: HTTP %d: %s", name, got.code, got.body)
		}
	}
	w := newWorld(t, counting(5), Limits{})
	w.stopBackend()
	got := w.do("GET", watchPath, "", header{"Accept": "text/event-stream", "X-Timeout-Ms": "30"})
	if got.code != 200 || !strings.Contains(string(got.body), "DEADLINE_EXCEEDED") {
		t.Errorf("a deadline: HTTP %d: %s", got.code, got.body)
	}
}

// Without the Accept header the same route answers JSON lines, as every stream does.
func TestWatchWithoutEventsIsLines(t *testing.T) {
	w := newWorld(t, script(nil), Limits{})
	got := w.do("GET", watchPath, "", nil)
	if got.code != 200 || got.header.Get("Content-Type") != "application/x-ndjson" ||
		strings.Count(strings.TrimSpace(string(got.body)), "\n") != 1 {
		t.Errorf("HTTP %d %v: %s", got.code, got.header, got.body)
	}
}
