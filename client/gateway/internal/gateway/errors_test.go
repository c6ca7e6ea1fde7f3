package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	lbwv1 "lbwserve/gen/lbw/v1"
)

var errorTable = []struct {
	code codes.Code
	http int
	name string
}{
	{codes.Canceled, 499, "CANCELLED"},
	{codes.Unknown, 500, "UNKNOWN"},
	{codes.InvalidArgument, 400, "INVALID_ARGUMENT"},
	{codes.DeadlineExceeded, 504, "DEADLINE_EXCEEDED"},
	{codes.NotFound, 404, "NOT_FOUND"},
	{codes.AlreadyExists, 409, "ALREADY_EXISTS"},
	{codes.PermissionDenied, 403, "PERMISSION_DENIED"},
	{codes.ResourceExhausted, 429, "RESOURCE_EXHAUSTED"},
	{codes.FailedPrecondition, 400, "FAILED_PRECONDITION"},
	{codes.Aborted, 409, "ABORTED"},
	{codes.OutOfRange, 400, "OUT_OF_RANGE"},
	{codes.Unimplemented, 501, "UNIMPLEMENTED"},
	{codes.Internal, 500, "INTERNAL"},
	{codes.Unavailable, 503, "UNAVAILABLE"},
	{codes.DataLoss, 500, "DATA_LOSS"},
	{codes.Unauthenticated, 401, "UNAUTHENTICATED"},
}

func failing(code codes.Code, message string, details ...protoadapt.MessageV1) *fake {
	st, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		panic(err)
	}
	return &fake{answer: func(context.Context, proto.Message) (proto.Message, error) { return nil, st.Err() }}
}

func TestErrorOfEveryCode(t *testing.T) {
	if len(errorTable) != 16 {
		t.Fatalf("%d rows for 16 codes", len(errorTable))
	}
	for _, row := range errorTable {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, failing(row.code, "bits=9 is above 6", &errdetails.ErrorInfo{Reason: "R", Domain: "lbw"}), Limits{})
			generated := w.do("GET", "/v1/status", "", nil).wantError(row.http, row.name, "bits=9 is above 6")
			byHand := w.do("POST", "/v1/models/m:detect", "x", header{"Content-Type": "image/jpeg"}).
				wantError(row.http, row.name, "bits=9 is above 6")
			for _, e := range []errorContent{generated, byHand} {
				if e.detail("ErrorInfo", "reason") != "R" || len(e.Details) != 1 {
					t.Errorf("details %s", e.Details)
				}
			}
		})
	}
}

func TestErrorDetails(t *testing.T) {
	w := newWorld(t, failing(codes.ResourceExhausted, "queue=256 is full",
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "images", Description: "d"}}},
	), Limits{})
	got := w.do("GET", "/v1/status", "", nil)
	e := got.wantError(429, "RESOURCE_EXHAUSTED", "queue=256")
	if got.header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After: %q, want 1.5 s rounded up", got.header.Get("Retry-After"))
	}
	if e.detail("RetryInfo", "retry_delay") != "1.500s" {
		t.Errorf("details %s", e.Details)
	}
	if violations, ok := e.detail("BadRequest", "field_violations").([]any); !ok || len(violations) != 1 {
		t.Errorf("details %s", e.Details)
	}
}

func TestErrorDetailOfUnknownTypeIsKept(t *testing.T) {
	text := string(encodeDetail(&anypb.Any{TypeUrl: "type.googleapis.com/no.such.Type", Value: []byte{1}}))
	if text != `{"@type":"type.googleapis.com/no.such.Type","value":"AQ=="}` {
		t.Error(text)
	}
}

func TestServerThatCannotBeReached(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	w.backend.Stop()
	got := w.do("GET", "/v1/status", "", nil)
	got.wantError(503, "UNAVAILABLE", "cannot be reached")
	if got.header.Get("Retry-After") == "" || strings.Contains(string(got.body), "dial") {
		t.Errorf("headers %v, body %s", got.header, got.body)
	}
}

// A stream that fails before its first line has the error's status; one that fails later ends with a line that is the error.
func TestStreamErrors(t *testing.T) {
	full, _ := status.New(codes.ResourceExhausted, "disk").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	lines := 0
	f := &fake{export: func(s grpc.ServerStreamingServer[lbwv1.ExportVersionResponse]) error {
		for range lines {
			progress := &lbwv1.Progress{Stage: "write", Done: 1}
			if err := s.Send(&lbwv1.ExportVersionResponse{Update: &lbwv1.ExportVersionResponse_Progress{Progress: progress}}); err != nil {
				return err
			}
		}
		return full.Err()
	}}
	w := newWorld(t, f, Limits{})
	const path = "/v1/models/m/versions/1:export"
	got := w.json("POST", path, "{}")
	got.wantError(429, "RESOURCE_EXHAUSTED", "disk")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("headers %v", got.header)
	}

	lines = 2
	got = w.json("POST", path, "{}")
	text := strings.Split(strings.TrimSuffix(string(got.body), "\n"), "\n")
	if got.code != http.StatusOK || len(text) != 3 || got.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("HTTP %d, %v: %q", got.code, got.header, text)
	}
	if !strings.HasPrefix(text[0], `{"result":`) {
		t.Errorf("first line %s", text[0])
	}
	last := answer{429, http.Header{"Content-Type": {"application/json"}}, []byte(text[2]), t}
	last.wantError(429, "RESOURCE_EXHAUSTED", "disk")
}

func TestLongMessageIsCut(t *testing.T) {
	w := newWorld(t, failing(codes.Internal, strings.Repeat("é", maxMessage)), Limits{})
	e := w.do("GET", "/v1/status", "", nil).wantError(500, "INTERNAL", "é")
	if len(e.Message) > maxMessage+3 {
		t.Errorf("%d bytes", len(e.Message))
	}
}

func TestPanicIsAnErrorAndIsLogged(t *testing.T) {
	w := newWorld(t, &fake{}, Limits{})
	w.gateway.table.routes[0].own = func(http.ResponseWriter, *http.Request) { panic("broken") }
	path, _, _ := fill(w.gateway.table.routes[0].template)
	w.do(w.gateway.table.routes[0].method, path, "", nil).wantError(500, "INTERNAL", "the gateway failed")
	if text := w.log.text.String(); !strings.Contains(text, "broken") {
		t.Error(text)
	}
}

func TestHTTPErrorIsAStatus(t *testing.T) {
	err := withHTTP(http.StatusRequestTimeout, fail(codes.DeadlineExceeded, reasonDeadline, "late"))
	if status.Code(err) != codes.DeadlineExceeded || httpCode(err) != 408 || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
