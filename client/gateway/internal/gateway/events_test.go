package gateway

import (
	"bufio"
	"strings"
	"testing"

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
	w := newWorld(t, script(status.Error(codes.Unavailable, "draining")), Limits{})
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

// Without the Accept header the same route answers JSON lines, as every stream does.
func TestWatchWithoutEventsIsLines(t *testing.T) {
	w := newWorld(t, script(nil), Limits{})
	got := w.do("GET", watchPath, "", nil)
	if got.code != 200 || got.header.Get("Content-Type") != "application/x-ndjson" ||
		strings.Count(strings.TrimSpace(string(got.body)), "\n") != 1 {
		t.Errorf("HTTP %d %v: %s", got.code, got.header, got.body)
	}
}
