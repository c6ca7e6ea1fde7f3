package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// patience bounds what a test waits for; nothing waits that long where all is well.
const patience = 20 * time.Second

// fake answers every unary call with an empty message unless answer says otherwise, and streams by its functions.
type fake struct {
	lbwv1.UnimplementedArtifactServiceServer
	lbwv1.UnimplementedDatasetServiceServer
	lbwv1.UnimplementedDetectionServiceServer
	lbwv1.UnimplementedJobServiceServer
	lbwv1.UnimplementedModelServiceServer
	lbwv1.UnimplementedQuantizationServiceServer
	lbwv1.UnimplementedServerServiceServer

	answer func(ctx context.Context, request proto.Message) (proto.Message, error)
	write  func(grpc.ClientStreamingServer[lbwv1.WriteUploadRequest, lbwv1.WriteUploadResponse]) error
	read   func(*lbwv1.ReadArtifactRequest, grpc.ServerStreamingServer[lbwv1.ReadArtifactResponse]) error
	export func(grpc.ServerStreamingServer[lbwv1.ExportVersionResponse]) error
	watch  func(*lbwv1.WatchJobRequest, grpc.ServerStreamingServer[lbwv1.WatchJobResponse]) error

	mu       sync.Mutex
	methods  []string
	requests []proto.Message
	metadata metadata.MD
	deadline time.Time
}

func (f *fake) WriteUpload(s grpc.ClientStreamingServer[lbwv1.WriteUploadRequest, lbwv1.WriteUploadResponse]) error {
	return f.write(s)
}

func (f *fake) ReadArtifact(r *lbwv1.ReadArtifactRequest, s grpc.ServerStreamingServer[lbwv1.ReadArtifactResponse]) error {
	return f.read(r, s)
}

func (f *fake) ExportVersion(_ *lbwv1.ExportVersionRequest, s grpc.ServerStreamingServer[lbwv1.ExportVersionResponse]) error {
	return f.export(s)
}

func (f *fake) WatchJob(r *lbwv1.WatchJobRequest, s grpc.ServerStreamingServer[lbwv1.WatchJobResponse]) error {
	return f.watch(r, s)
}

func (f *fake) record(ctx context.Context, method string, request proto.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.methods = append(f.methods, method)
	f.requests = append(f.requests, request)
	f.metadata, _ = metadata.FromIncomingContext(ctx)
	f.deadline, _ = ctx.Deadline()
}

// last is the newest call.
func (f *fake) last() (method string, request proto.Message, md metadata.MD, deadline time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.methods) == 0 {
		return "", nil, nil, time.Time{}
	}
	n := len(f.methods) - 1
	return f.methods[n], f.requests[n], f.metadata, f.deadline
}

func (f *fake) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if strings.HasPrefix(info.FullMethod, "/grpc.health") {
		return next(ctx, request)
	}
	message := request.(proto.Message)
	f.record(ctx, info.FullMethod, message)
	if f.answer != nil {
		return f.answer(ctx, message)
	}
	return emptyAnswer(info.FullMethod)
}

// stream records a server stream's request, and ends it at once where the fake has no function for it.
func (f *fake) stream(server any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if strings.HasPrefix(info.FullMethod, "/lbw.") && f.read == nil && f.write == nil && f.export == nil && f.watch == nil {
		input := methodOf(info.FullMethod).Input()
		kind, err := protoregistry.GlobalTypes.FindMessageByName(input.FullName())
		if err != nil {
			return err
		}
		request := kind.New().Interface()
		if err := s.RecvMsg(request); err != nil {
			return err
		}
		f.record(s.Context(), info.FullMethod, request)
		return nil
	}
	return next(server, s)
}

func methodOf(fullMethod string) protoreflect.MethodDescriptor {
	name := strings.ReplaceAll(strings.TrimPrefix(fullMethod, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		panic(err)
	}
	return d.(protoreflect.MethodDescriptor)
}

func emptyAnswer(fullMethod string) (proto.Message, error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(methodOf(fullMethod).Output().FullName())
	if err != nil {
		return nil, err
	}
	return kind.New().Interface(), nil
}

// world is a gateway over HTTP in front of a fake.
type world struct {
	t       *testing.T
	fake    *fake
	gateway *Gateway
	health  *health.Server
	backend *grpc.Server // nil while it is away
	line    atomic.Pointer[bufconn.Listener]
	url     string
	client  *http.Client
	log     *lockedBuffer
}

func newWorld(t *testing.T, f *fake, limits Limits) *world {
	t.Helper()
	w := &world{t: t, fake: f, health: health.NewServer(), log: &lockedBuffer{}}
	w.startBackend()
	t.Cleanup(w.stopBackend)
	conn, err := grpc.NewClient("passthrough:///fake", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: patience, Backoff: backoff.Config{
			BaseDelay: time.Millisecond, Multiplier: 1.5, MaxDelay: 20 * time.Millisecond}}),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			if line := w.line.Load(); line != nil {
				return line.DialContext(ctx)
			}
			return nil, errors.New("nobody listens")
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w.gateway, err = New(Config{Conn: conn, Limits: limits, Version: "1.2.3",
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.gateway)
	t.Cleanup(server.Close)
	w.url, w.client = server.URL, server.Client()
	return w
}

// startBackend makes the fake answer, after stopBackend again.
func (w *world) startBackend() {
	f := w.fake
	backend := grpc.NewServer(grpc.UnaryInterceptor(f.unary), grpc.StreamInterceptor(f.stream),
		grpc.MaxRecvMsgSize(64<<20))
	lbwv1.RegisterArtifactServiceServer(backend, f)
	lbwv1.RegisterDatasetServiceServer(backend, f)
	lbwv1.RegisterDetectionServiceServer(backend, f)
	lbwv1.RegisterJobServiceServer(backend, f)
	lbwv1.RegisterModelServiceServer(backend, f)
	lbwv1.RegisterQuantizationServiceServer(backend, f)
	lbwv1.RegisterServerServiceServer(backend, f)
	healthpb.RegisterHealthServer(backend, w.health)
	listener := bufconn.Listen(1 << 20)
	go func() { _ = backend.Serve(listener) }()
	w.line.Store(listener)
	w.backend = backend
}

// stopBackend cuts off every call, as a process that ends does.
func (w *world) stopBackend() {
	w.line.Store(nil)
	if w.backend != nil {
		w.backend.Stop()
		w.backend = nil
	}
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

type answer struct {
	code   int
	header http.Header
	body   []byte
	t      *testing.T
}

type header map[string]string

func (w *world) do(method, path, body string, h header) answer {
	w.t.Helper()
	return w.send(w.request(method, path, strings.NewReader(body), h))
}

func (w *world) request(method, path string, body io.Reader, h header) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range h {
		r.Header.Set(name, value)
	}
	return r
}

func (w *world) send(r *http.Request) answer {
	w.t.Helper()
	response, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body, w.t}
}

func (w *world) json(method, path, body string) answer {
	w.t.Helper()
	return w.do(method, path, body, header{"Content-Type": "application/json"})
}

// wantError checks the form that every error has.
func (a answer) wantError(code int, status, inMessage string) errorContent {
	a.t.Helper()
	var body errorBody
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		a.t.Fatalf("%v in the error %q", err, a.body)
	}
	if a.code != code || body.Error.Code != code || body.Error.Status != status {
		a.t.Errorf("got HTTP %d, code %d, status %s; want %d %s; body %s", a.code, body.Error.Code, body.Error.Status, code, status, a.body)
	}
	if !strings.Contains(body.Error.Message, inMessage) {
		a.t.Errorf("the message %q does not say %q", body.Error.Message, inMessage)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		a.t.Errorf("an error of type %q", got)
	}
	return body.Error
}

// detail returns the value of a field of the detail of a type, or nil.
func (e errorContent) detail(kind, field string) any {
	for _, raw := range e.Details {
		var detail map[string]any
		if json.Unmarshal(raw, &detail) == nil && detail["@type"] == "type.googleapis.com/google.rpc."+kind {
			return detail[field]
		}
	}
	return nil
}

func (a answer) wantOK() map[string]any {
	a.t.Helper()
	var fields map[string]any
	if a.code != http.StatusOK {
		a.t.Fatalf("got HTTP %d: %s", a.code, a.body)
	}
	if err := json.Unmarshal(a.body, &fields); err != nil {
		a.t.Fatalf("%v in %q", err, a.body)
	}
	return fields
}

func wait(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}

func exportTwo(s grpc.ServerStreamingServer[lbwv1.ExportVersionResponse]) error {
	progress := &lbwv1.ExportVersionResponse_Progress{Progress: &lbwv1.Progress{Stage: "write"}}
	if err := s.Send(&lbwv1.ExportVersionResponse{Update: progress}); err != nil {
		return err
	}
	artifact := &lbwv1.ExportVersionResponse_Artifact{Artifact: &lbwv1.Artifact{Name: "artifacts/x"}}
	return s.Send(&lbwv1.ExportVersionResponse{Update: artifact})
}
