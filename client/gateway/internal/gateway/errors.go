package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// The reasons the gateway itself gives; each is one of the server's own list.
const (
	reasonBadArgument   = "BAD_ARGUMENT"
	reasonLimitExceeded = "LIMIT_EXCEEDED"
	reasonNotFound      = "NOT_FOUND"
	reasonUnimplemented = "UNIMPLEMENTED"
	reasonOutOfRoom     = "OUT_OF_ROOM"
	reasonDeadline      = "DEADLINE"
	reasonInternal      = "INTERNAL"
	reasonChecksum      = "CHECKSUM_MISMATCH"
)

const (
	errorDomain  = "lbw"
	retryAfter   = time.Second
	maxMessage   = 4 << 10
	jsonBodyMark = "JSON body: "
)

// codeNames are the canonical names, as every gRPC client prints them.
var codeNames = map[codes.Code]string{
	codes.OK:                 "OK",
	codes.Canceled:           "CANCELLED",
	codes.Unknown:            "UNKNOWN",
	codes.InvalidArgument:    "INVALID_ARGUMENT",
	codes.DeadlineExceeded:   "DEADLINE_EXCEEDED",
	codes.NotFound:           "NOT_FOUND",
	codes.AlreadyExists:      "ALREADY_EXISTS",
	codes.PermissionDenied:   "PERMISSION_DENIED",
	codes.ResourceExhausted:  "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Aborted:            "ABORTED",
	codes.OutOfRange:         "OUT_OF_RANGE",
	codes.Unimplemented:      "UNIMPLEMENTED",
	codes.Internal:           "INTERNAL",
	codes.Unavailable:        "UNAVAILABLE",
	codes.DataLoss:           "DATA_LOSS",
	codes.Unauthenticated:    "UNAUTHENTICATED",
}

func codeName(code codes.Code) string {
	if name, ok := codeNames[code]; ok {
		return name
	}
	return "UNKNOWN"
}

// httpError is a status with an HTTP status of its own, where the mapping of the code would say less (413, 405 ...).
type httpError struct {
	http   int
	status *status.Status
}

func (e *httpError) Error() string              { return e.status.Message() }
func (e *httpError) GRPCStatus() *status.Status { return e.status }

// fail makes an error of the gateway's own, with its reason.
func fail(code codes.Code, reason, format string, args ...any) error {
	return failWith(code, reason, fmt.Sprintf(format, args...))
}

// failWith gives no reason where it is empty.
func failWith(code codes.Code, reason, message string, details ...protoadapt.MessageV1) error {
	if reason != "" {
		details = append([]protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain}}, details...)
	}
	st, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		return status.Error(code, message)
	}
	return st.Err()
}

// badField is INVALID_ARGUMENT with a BadRequest that names the field.
func badField(field, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return failWith(codes.InvalidArgument, reasonBadArgument, message, &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: message}},
	})
}

func withHTTP(code int, err error) error {
	return &httpError{http: code, status: status.Convert(err)}
}

func tooLarge(what string, limit int64) error {
	return withHTTP(http.StatusRequestEntityTooLarge, fail(codes.InvalidArgument, reasonLimitExceeded,
		"the body is larger than the gateway takes: %s, limit %d bytes", what, limit))
}

func retryLater(code codes.Code, reason, message string) error {
	return failWith(code, reason, message, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
}

// polish turns what gRPC's own machinery says into what a caller can act on. What the server said stays as it is: it
// carries details, the machinery's does not.
func polish(err error) error {
	st := status.Convert(err)
	if len(st.Proto().GetDetails()) > 0 {
		return err
	}
	message := st.Message()
	switch st.Code() {
	case codes.Unavailable:
		return retryLater(codes.Unavailable, "", "the server behind the gateway cannot be reached; try again")
	case codes.DeadlineExceeded:
		return fail(codes.DeadlineExceeded, reasonDeadline, "%s", message)
	case codes.InvalidArgument:
		if field, ok := unknownField(message); ok {
			return badField(field, "%s", message)
		}
		if strings.HasPrefix(message, jsonBodyMark) {
			return fail(codes.InvalidArgument, reasonBadArgument, "%s", message)
		}
	}
	return err
}

// unknownField finds the field that the JSON reader says it does not know.
func unknownField(message string) (string, bool) {
	_, after, found := strings.Cut(message, `unknown field "`)
	if !found || !strings.HasPrefix(message, jsonBodyMark) {
		return "", false
	}
	field, _, closed := strings.Cut(after, `"`)
	return field, closed
}

type errorBody struct {
	Error errorContent `json:"error"`
}

type errorContent struct {
	Code    int               `json:"code"`
	Status  string            `json:"status"`
	Message string            `json:"message"`
	Details []json.RawMessage `json:"details"`
}

func httpCode(err error) int {
	if e, ok := err.(*httpError); ok {
		return e.http
	}
	return runtime.HTTPStatusFromCode(status.Code(err))
}

// encodeError is the body of every failed answer.
func encodeError(err error) []byte {
	st := status.Convert(err)
	body := errorBody{errorContent{
		Code:    httpCode(err),
		Status:  codeName(st.Code()),
		Message: truncate(st.Message()),
		Details: []json.RawMessage{},
	}}
	for _, detail := range st.Proto().GetDetails() {
		body.Error.Details = append(body.Error.Details, encodeDetail(detail))
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return []byte(`{"error":{"code":500,"status":"INTERNAL","message":"the error cannot be written","details":[]}}` + "\n")
	}
	return out.Bytes()
}

// A detail of a type that is not linked in keeps its type and its bytes.
func encodeDetail(detail *anypb.Any) json.RawMessage {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(detail)
	if err != nil {
		text, _ = json.Marshal(map[string]any{"@type": detail.GetTypeUrl(), "value": detail.GetValue()})
	}
	return text
}

func truncate(message string) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "..."
}

// setErrorHeaders sets what an error says beside its body.
func setErrorHeaders(header http.Header, err error) {
	st := status.Convert(err)
	for _, detail := range st.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			seconds := int64((retry.GetRetryDelay().AsDuration() + time.Second - 1) / time.Second)
			header.Set("Retry-After", strconv.FormatInt(max(seconds, 0), 10))
		}
	}
	if st.Code() == codes.Unauthenticated {
		header.Set("WWW-Authenticate", "Bearer")
	}
}

// writeError answers a request with an error; nothing may have been written before.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	call := callOf(r.Context())
	switch {
	case call.bodyTooLarge:
		err = tooLarge("sent more", call.bodyLimit)
	case call.bodyStalled:
		err = withHTTP(http.StatusRequestTimeout, fail(codes.DeadlineExceeded, reasonDeadline, "the body stopped coming"))
	default:
		err = polishUnlessOwn(err)
	}
	call.failed(err)
	header := w.Header()
	for _, name := range []string{"Trailer", "Transfer-Encoding", "Content-Length", "Etag", "Content-Disposition"} {
		header.Del(name)
	}
	setErrorHeaders(header, err)
	header.Set("Content-Type", "application/json")
	w.WriteHeader(httpCode(err))
	_, _ = w.Write(encodeError(err))
}

func polishUnlessOwn(err error) error {
	if _, own := err.(*httpError); own {
		return err
	}
	return polish(err)
}

// muxError adapts writeError to the generated routes.
func muxError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	writeError(w, r, err)
}

// streamError is called for a stream that fails, before its first line or after.
func streamError(ctx context.Context, err error) *status.Status {
	call := callOf(ctx)
	err = polish(err)
	call.failed(err)
	setErrorHeaders(call.header, err) // without effect once a line is written
	return status.Convert(err)
}
