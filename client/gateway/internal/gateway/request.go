package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	headerRequestID   = "X-Request-Id"
	headerTimeoutMs   = "X-Timeout-Ms"
	headerGRPCTimeout = "Grpc-Timeout"

	maxTimeout      = 24 * time.Hour
	maxRequestIDLen = 128
)

// call is what the layers of one request tell each other. Only the request's own goroutine touches it.
type call struct {
	requestID    string
	header       http.Header // of the answer
	head         bool        // only the headers of the answer are sent
	bodyLimit    int64
	bodyTooLarge bool
	bodyStalled  bool
	grpcCode     codes.Code
	err          error
}

// failed tells how the call ended, for its counts and its line in the log.
func (c *call) failed(err error) { c.grpcCode, c.err = status.Code(err), err }

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{header: http.Header{}}
}

// requestID takes the caller's where it is a plain token, so that it can be logged as it is, and makes one otherwise.
func requestID(r *http.Request) string {
	id := r.Header.Get(headerRequestID)
	plain := len(id) > 0 && len(id) <= maxRequestIDLen
	for i := 0; plain && i < len(id); i++ {
		c := id[i]
		plain = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.:/+=", c) >= 0
	}
	if plain {
		return id
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

// withDeadline gives the request the deadline its headers ask for; grpc carries it on to the server.
func withDeadline(r *http.Request) (*http.Request, context.CancelFunc, error) {
	timeout := time.Duration(0)
	for _, name := range []string{headerTimeoutMs, headerGRPCTimeout} {
		text := r.Header.Get(name)
		if text == "" {
			continue
		}
		asked, ok := parseTimeout(name, text)
		if !ok || asked <= 0 || asked > maxTimeout {
			return r, func() {}, badField(name, "header %s: %q is not a time above 0 and at most %v", name, text, maxTimeout)
		}
		if timeout == 0 || asked < timeout {
			timeout = asked
		}
	}
	ctx, cancel := r.Context(), context.CancelFunc(func() {})
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	r = r.WithContext(ctx)
	r.Header.Del(headerGRPCTimeout) // it is in the context now
	return r, cancel, nil
}

// parseTimeout reads milliseconds, or gRPC's own form: up to 8 digits and a unit.
func parseTimeout(header, text string) (time.Duration, bool) {
	unit := time.Millisecond
	if header == headerGRPCTimeout {
		units := map[byte]time.Duration{
			'H': time.Hour, 'M': time.Minute, 'S': time.Second,
			'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
		}
		var known bool
		if unit, known = units[text[len(text)-1]]; !known {
			return 0, false
		}
		text = text[:len(text)-1]
	}
	count, err := strconv.ParseUint(text, 10, 32)
	if err != nil || count > 99_999_999 {
		return 0, false
	}
	if time.Duration(count) > maxTimeout/unit {
		return maxTimeout + 1, true
	}
	return time.Duration(count) * unit, true
}

// checkQuery refuses parameters that the route would ignore.
func checkQuery(r *http.Request, found *route) error {
	if found.query == nil || r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fail(codes.InvalidArgument, reasonBadArgument, "the query does not parse: %v", err)
	}
	return onlyKnown(query, found.query, "")
}

// onlyKnown names a parameter that is not known, and those that are.
func onlyKnown(query url.Values, known map[string]bool, hint string) error {
	names := make([]string, 0, len(query))
	for name := range query {
		if !known[name] {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	takes := make([]string, 0, len(known))
	for name := range known {
		takes = append(takes, name)
	}
	sort.Strings(takes)
	list := strings.Join(takes, ", ")
	if list == "" {
		list = "none"
	}
	return badField(names[0], "unknown query parameter %q; this route takes %s%s", names[0], list, hint)
}

func contentType(r *http.Request) string {
	text := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(text); err == nil {
		return media
	}
	return strings.ToLower(strings.TrimSpace(text))
}

func isJSON(r *http.Request) bool {
	media := contentType(r)
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

func wrongContentType(r *http.Request, want string) error {
	return withHTTP(http.StatusUnsupportedMediaType, badField("Content-Type",
		"Content-Type: %q is not taken here; send %s", r.Header.Get("Content-Type"), want))
}

// limitBody bounds the body, and counts it into what all requests together may hold in memory.
func (g *Gateway) limitBody(w http.ResponseWriter, r *http.Request, held bool) (release func(), err error) {
	limit := g.limits.MaxBodyBytes
	call := callOf(r.Context())
	call.bodyLimit = limit
	if r.ContentLength > limit {
		return nil, tooLarge("Content-Length is "+strconv.FormatInt(r.ContentLength, 10), limit)
	}
	release = func() {}
	if held {
		size := r.ContentLength
		if size < 0 {
			size = limit
		}
		if g.buffered.Add(size) > g.limits.MaxBufferedBytes {
			g.buffered.Add(-size)
			return nil, retryLater(codes.ResourceExhausted, reasonOutOfRoom, "the gateway holds as many bytes as it may, limit "+
				strconv.FormatInt(g.limits.MaxBufferedBytes, 10)+"; try again")
		}
		release = func() { g.buffered.Add(-size) }
	}
	r.Body = &limitedBody{ReadCloser: http.MaxBytesReader(w, r.Body, limit), call: call}
	return release, nil
}

// limitedBody remembers that the limit was hit: the generated code keeps only the text of what Read returns.
type limitedBody struct {
	io.ReadCloser
	call *call
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, tooLarge := err.(*http.MaxBytesError); tooLarge {
		b.call.bodyTooLarge = true
	}
	return n, err
}

// idleBody ends a body whose client sends nothing for a while. The deadline is taken off with the body's last byte and
// not before: net/http then goes on reading the connection to notice a client that goes away, and until then it may
// read what a handler left over.
type idleBody struct {
	io.ReadCloser
	call    *call
	control *http.ResponseController
	timeout time.Duration
	ended   bool
}

func (b *idleBody) Read(p []byte) (int, error) {
	if b.ended {
		return b.ReadCloser.Read(p)
	}
	b.extend()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.ended = true
		_ = b.control.SetReadDeadline(time.Time{})
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		b.call.bodyStalled = true
	}
	return n, err
}

// extend is also called when the handler is done, for what net/http reads of the rest.
func (b *idleBody) extend() {
	if !b.ended && !b.call.bodyStalled {
		_ = b.control.SetReadDeadline(time.Now().Add(b.timeout))
	}
}
