// lbw-gateway serves lbw-server's API as REST and JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"lbwserve/internal/gateway"
)

// version is set when it is built.
var version = "dev"

const (
	maxMessageBytes  = 64 << 20
	maxHeaderBytes   = 64 << 10
	headerTimeout    = 10 * time.Second
	keepAliveTimeout = 2 * time.Minute
	maxBackoff       = 5 * time.Second
)

func main() {
	o, err := parseOptions(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lbw-gateway:", err)
		os.Exit(1)
	}
}

// dial makes the channel to the server. It connects when it is first used, and again whenever it is lost, so that the
// gateway may be started before the server.
func dial(o options) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if o.tlsCA != "" {
		var err error
		if transport, err = credentials.NewClientTLSFromFile(o.tlsCA, ""); err != nil {
			return nil, fmt.Errorf("--tls-ca %s: %w", o.tlsCA, err)
		}
	}
	retry := backoff.DefaultConfig
	retry.MaxDelay = maxBackoff
	return grpc.NewClient(o.server,
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("lbw-gateway/"+version),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: maxBackoff}),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes)))
}

func newLogger(format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

// run serves until ctx ends, then lets the requests that are under way end.
func run(ctx context.Context, o options) error {
	logger := newLogger(o.logFormat)
	conn, err := dial(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	limits := gateway.DefaultLimits()
	limits.MaxBodyBytes, limits.MaxBufferedBytes = int64(o.maxBody), int64(o.maxBuffered)
	handler, err := gateway.New(gateway.Config{Conn: conn, Limits: limits, Logger: logger, Version: version})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	// Requests are cut off through their context where they outlive the grace.
	requests, cutOff := context.WithCancel(context.Background())
	defer cutOff()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if err := announce(o.portFile, listener); err != nil {
		server.Close()
		return err
	}
	logger.Info("serving", "listen", listener.Addr().String(), "server", o.server, "version", version)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	logger.Info("draining", "delay", o.drainDelay.String(), "grace", o.grace.String())
	handler.Drain()
	time.Sleep(o.drainDelay) // load balancers learn from /readyz that there is nothing to send here
	grace, cancel := context.WithTimeout(context.Background(), o.grace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		logger.Warn("cutting off what is still under way", "error", err)
		cutOff()
		return server.Close()
	}
	logger.Info("stopped")
	return nil
}

// announce writes {"http": N}; a reader sees the whole file or none.
func announce(path string, listener net.Listener) error {
	if path == "" {
		return nil
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("--port-file: %v has no port", listener.Addr())
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("--port-file: %w", err)
	}
	defer os.Remove(file.Name()) // after the rename there is none
	_, err = io.WriteString(file, fmt.Sprintf("{\"http\": %d}\n", address.Port))
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return fmt.Errorf("--port-file: %w", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("--port-file: %w", err)
	}
	return nil
}
