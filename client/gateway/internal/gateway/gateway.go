// Package gateway answers HTTP with what lbw-server answers over gRPC: the generated JSON routes of every RPC, and by
// hand what JSON suits badly - pictures, uploads, downloads.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// Limits of the gateway; zero values take the defaults.
type Limits struct {
	// MaxBodyBytes bounds a body that is held in memory (JSON, pictures). Uploads are streamed and not bounded by it.
	MaxBodyBytes int64
	// MaxBufferedBytes bounds all such bodies together.
	MaxBufferedBytes int64
	// IdleTimeout ends a request whose client neither sends nor reads for so long.
	IdleTimeout time.Duration
	// ProbeTimeout bounds the health check of the server behind.
	ProbeTimeout time.Duration
	// AwayPatience ends a stream of events whose server is away for so long.
	AwayPatience time.Duration
}

// DefaultLimits are the limits in force where the command line says nothing.
func DefaultLimits() Limits {
	return Limits{
		MaxBodyBytes:     48 << 20,
		MaxBufferedBytes: 1 << 30,
		IdleTimeout:      time.Minute,
		ProbeTimeout:     2 * time.Second,
		AwayPatience:     5 * time.Minute,
	}
}

// Config is what a Gateway is made of.
type Config struct {
	Conn    grpc.ClientConnInterface // borrowed: the caller closes it after the last request
	Limits  Limits
	Logger  *slog.Logger
	Version string
}

// Gateway is an http.Handler, safe for concurrent use.
type Gateway struct {
	limits    Limits
	logger    *slog.Logger
	artifacts lbwv1.ArtifactServiceClient
	detection lbwv1.DetectionServiceClient
	jobs      lbwv1.JobServiceClient
	health    healthpb.HealthClient
	mux       *runtime.ServeMux
	table     *routeTable
	openAPI   []byte
	registry  *prometheus.Registry
	metrics   *metrics

	draining atomic.Bool
	buffered atomic.Int64 // bytes of bodies held now
}

// New registers every route. It does not touch the network.
func New(config Config) (*Gateway, error) {
	registry := prometheus.NewRegistry()
	g := &Gateway{
		limits:    config.Limits.withDefaults(),
		logger:    config.Logger,
		artifacts: lbwv1.NewArtifactServiceClient(config.Conn),
		detection: lbwv1.NewDetectionServiceClient(config.Conn),
		jobs:      lbwv1.NewJobServiceClient(config.Conn),
		health:    healthpb.NewHealthClient(config.Conn),
		mux:       newMux(),
		registry:  registry,
		metrics:   newMetrics(registry, config.Version),
	}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	if err := registerServices(g.mux, config.Conn); err != nil {
		return nil, err
	}
	var err error
	if g.table, err = newRouteTable(g.ownRoutes()); err != nil {
		return nil, err
	}
	if g.openAPI, err = openAPIDocument(config.Version); err != nil {
		return nil, err
	}
	return g, nil
}

func (l Limits) withDefaults() Limits {
	defaults := DefaultLimits()
	if l.MaxBodyBytes <= 0 {
		l.MaxBodyBytes = defaults.MaxBodyBytes
	}
	if l.MaxBufferedBytes <= 0 {
		l.MaxBufferedBytes = max(defaults.MaxBufferedBytes, l.MaxBodyBytes)
	}
	if l.IdleTimeout <= 0 {
		l.IdleTimeout = defaults.IdleTimeout
	}
	if l.ProbeTimeout <= 0 {
		l.ProbeTimeout = defaults.ProbeTimeout
	}
	if l.AwayPatience <= 0 {
		l.AwayPatience = defaults.AwayPatience
	}
	return l
}

func newMux() *runtime.ServeMux {
	drop := func(string) (string, bool) { return "", false }
	return runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newJSONMarshaler()),
		runtime.WithErrorHandler(muxError),
		runtime.WithStreamErrorHandler(streamError),
		runtime.WithIncomingHeaderMatcher(forwardHeader),
		runtime.WithOutgoingHeaderMatcher(drop),
		runtime.WithOutgoingTrailerMatcher(drop),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithWriteContentLength(),
	)
}

// forwardHeader names the metadata that a request's header travels as. Authorization travels by grpc-gateway's own
// rule; everything else stays here, so that no client can set metadata that means something to the server.
func forwardHeader(name string) (string, bool) {
	switch name {
	case headerRequestID, "Traceparent", "Tracestate":
		return strings.ToLower(name), true
	}
	return "", false
}

func registerServices(mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
	ctx := context.Background()
	register := []error{
		lbwv1.RegisterArtifactServiceHandlerClient(ctx, mux, lbwv1.NewArtifactServiceClient(conn)),
		lbwv1.RegisterDatasetServiceHandlerClient(ctx, mux, lbwv1.NewDatasetServiceClient(conn)),
		lbwv1.RegisterDetectionServiceHandlerClient(ctx, mux, lbwv1.NewDetectionServiceClient(conn)),
		lbwv1.RegisterJobServiceHandlerClient(ctx, mux, lbwv1.NewJobServiceClient(conn)),
		lbwv1.RegisterModelServiceHandlerClient(ctx, mux, lbwv1.NewModelServiceClient(conn)),
		lbwv1.RegisterQuantizationServiceHandlerClient(ctx, mux, lbwv1.NewQuantizationServiceClient(conn)),
		lbwv1.RegisterServerServiceHandlerClient(ctx, mux, lbwv1.NewServerServiceClient(conn)),
	}
	for _, err := range register {
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) ownRoutes() []*route {
	none := map[string]bool{}
	return []*route{
		{method: http.MethodGet, template: "/livez", own: g.livez, query: none},
		{method: http.MethodGet, template: "/readyz", own: g.readyz, query: none},
		{method: http.MethodGet, template: "/metrics", own: g.serveMetrics},
		{method: http.MethodGet, template: "/openapi.json", own: g.serveOpenAPI, query: none},
		{method: http.MethodPut, template: "/v1/{name=uploads/*}", own: g.writeUpload,
			query: map[string]bool{"restart": true}},
		{method: http.MethodGet, template: "/v1/{name=artifacts/*}:download", own: g.download, query: none},
	}
}

// Drain makes /readyz fail from now on; requests are answered as before.
func (g *Gateway) Drain() { g.draining.Store(true) }

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, allowed := g.table.match(r.Method, r.URL.Path)
	g.observe(w, r, found, func(w http.ResponseWriter, r *http.Request) {
		if found == nil {
			writeError(w, r, noRoute(r, allowed, w.Header()))
			return
		}
		g.serveRoute(w, r, found)
	})
}

func noRoute(r *http.Request, allowed []string, header http.Header) error {
	if len(allowed) > 0 {
		header.Set("Allow", strings.Join(allowed, ", "))
		return withHTTP(http.StatusMethodNotAllowed, fail(codes.Unimplemented, reasonUnimplemented,
			"%s is not a method of %s; it takes %s", r.Method, r.URL.Path, strings.Join(allowed, ", ")))
	}
	return fail(codes.NotFound, reasonNotFound, "no route %s; /openapi.json lists them", r.URL.Path)
}

func (g *Gateway) serveRoute(w http.ResponseWriter, r *http.Request, found *route) {
	r, cancel, err := withDeadline(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	defer cancel()
	if err := checkQuery(r, found); err != nil {
		writeError(w, r, err)
		return
	}
	if found.buffered || found.own == nil {
		release, err := g.limitBody(w, r, found.buffered)
		if err != nil {
			writeError(w, r, err)
			return
		}
		defer release()
	}
	if r.Method == http.MethodHead {
		callOf(r.Context()).head = true
		r.Method = http.MethodGet // of our copy; net/http leaves out the body by itself
	}
	switch {
	case found.own != nil:
		found.own(w, r)
	case found.isDetect() && !isJSON(r):
		g.detect(w, r)
	case found.isWatch() && wantsEvents(r):
		g.watchEvents(w, r)
	case found.buffered && !isJSON(r) && r.ContentLength != 0:
		writeError(w, r, wrongContentType(r, "application/json"))
	default:
		g.mux.ServeHTTP(w, r)
	}
}
