package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// uploads is an upload of a known size; its WriteUpload is as strict as the server's.
type uploads struct {
	size     uint64
	bytes    []byte
	messages int
	restart  bool
}

func (u *uploads) fake() *fake {
	return &fake{
		write: u.write,
		answer: func(_ context.Context, request proto.Message) (proto.Message, error) {
			return &lbwv1.Upload{Name: request.(*lbwv1.GetUploadRequest).GetName(), SizeBytes: u.size}, nil
		},
	}
}

func (u *uploads) write(s grpc.ClientStreamingServer[lbwv1.WriteUploadRequest, lbwv1.WriteUploadResponse]) error {
	for u.messages = 0; ; u.messages++ {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&lbwv1.WriteUploadResponse{CommittedBytes: uint64(len(u.bytes))})
		}
		if err != nil {
			return err
		}
		if u.messages == 0 && m.GetRestart() {
			u.bytes, u.restart = nil, true
		}
		switch {
		case (u.messages == 0) != (m.GetName() == "uploads/u1"):
			return status.Errorf(codes.InvalidArgument, "message %d is of %q", u.messages, m.GetName())
		case m.GetOffset() != uint64(len(u.bytes)):
			st, _ := status.Newf(codes.OutOfRange, "offset=%d committed_bytes=%d", m.GetOffset(), len(u.bytes)).
				WithDetails(&errdetails.ErrorInfo{Reason: "UPLOAD_GAP", Domain: "lbw"})
			return st.Err()
		case m.GetCrc32C() != crc32.Checksum(m.GetData(), crc32.MakeTable(crc32.Castagnoli)):
			return status.Error(codes.DataLoss, "crc32c")
		case len(m.GetData()) > 1<<20:
			return status.Error(codes.InvalidArgument, "too large a chunk")
		}
		u.bytes = append(u.bytes, m.GetData()...)
	}
}

func randomBytes(n int) []byte {
	out := make([]byte, n)
	random := rand.NewPCG(1, 2)
	for i := range out {
		out[i] = byte(random.Uint64())
	}
	return out
}

func TestUploadIsCutIntoChunks(t *testing.T) {
	for _, row := range []struct{ bytes, messages int }{
		{0, 1}, {1, 1}, {chunkBytes - 1, 1}, {chunkBytes, 1}, {chunkBytes + 1, 2}, {5*chunkBytes/2 + 1, 3},
	} {
		u := &uploads{size: uint64(row.bytes)}
		w := newWorld(t, u.fake(), Limits{MaxBodyBytes: 10}) // which does not bound uploads
		data := randomBytes(row.bytes)
		fields := w.send(w.request("PUT", "/v1/uploads/u1", bytes.NewReader(data), nil)).wantOK()
		if fields["committed_bytes"] != fmt.Sprint(row.bytes) || !bytes.Equal(u.bytes, data) {
			t.Errorf("%d bytes: %v", row.bytes, fields)
		}
		if u.messages != row.messages && u.messages != row.messages+1 { // a length that is not known may end with an empty read
			t.Errorf("%d bytes in %d messages, want %d", row.bytes, u.messages, row.messages)
		}
	}
}

func TestUploadInPieces(t *testing.T) {
	data := randomBytes(3_000_000)
	u := &uploads{size: 3_000_000}
	w := newWorld(t, u.fake(), Limits{})
	for _, p := range [][2]int{{0, 1_400_000}, {1_400_000, 1_400_001}, {1_400_001, 3_000_000}} {
		rng := fmt.Sprintf("bytes %d-%d/%d", p[0], p[1]-1, len(data))
		fields := w.send(w.request("PUT", "/v1/uploads/u1", bytes.NewReader(data[p[0]:p[1]]), header{"Content-Range": rng})).wantOK()
		if fields["committed_bytes"] != fmt.Sprint(p[1]) {
			t.Errorf("%s: %v", rng, fields)
		}
	}
	if !bytes.Equal(u.bytes, data) {
		t.Error("the bytes differ")
	}
	w.send(w.request("PUT", "/v1/uploads/u1?restart=true", strings.NewReader("new"), nil)).wantOK()
	if !u.restart || string(u.bytes) != "new" {
		t.Errorf("restart %v, %d bytes", u.restart, len(u.bytes))
	}
}

func TestUploadWithAGap(t *testing.T) {
	u := &uploads{size: 100}
	w := newWorld(t, u.fake(), Limits{})
	// Large enough that the server has refused before everything is sent.
	e := w.send(w.request("PUT", "/v1/uploads/u1", bytes.NewReader(make([]byte, 20<<20)),
		header{"Content-Range": fmt.Sprintf("bytes 5-%d/*", 5+20<<20-1)}))
	_ = e
	got := w.do("PUT", "/v1/uploads/u1", "12345", header{"Content-Range": "bytes 5-9/100"})
	if e := got.wantError(400, "OUT_OF_RANGE", "committed_bytes=0"); e.detail("ErrorInfo", "reason") != "UPLOAD_GAP" {
		t.Errorf("details %s", e.Details)
	}
}

func TestBadContentRangeIsNamed(t *testing.T) {
	u := &uploads{size: 100}
	w := newWorld(t, u.fake(), Limits{})
	for _, row := range []struct{ text, message string }{
		{"bytes */100", "FIRST-LAST/TOTAL"},
		{"bytes 0-4", "FIRST-LAST/TOTAL"},
		{"items 0-4/100", "FIRST-LAST/TOTAL"},
		{"bytes 0-99999999999999999999/*", "FIRST-LAST/TOTAL"},
		{"bytes 4-0/100", "before first"},
		{"bytes 0-4/4", "below total"},
		{"bytes 0-5/100", "Content-Length of 5"},
		{"bytes 0-4/101", "size_bytes=100"},
	} {
		e := w.do("PUT", "/v1/uploads/u1", "12345", header{"Content-Range": row.text}).
			wantError(400, "INVALID_ARGUMENT", row.message)
		if e.detail("BadRequest", "field_violations") == nil {
			t.Errorf("%s: details %s", row.text, e.Details)
		}
	}
	for _, n := range []string{"0-3", "0-5"} { // of a body whose length only its end tells
		w.send(w.request("PUT", "/v1/uploads/u1", unsized{strings.NewReader("12345")}, header{"Content-Range": "bytes " + n + "/100"})).
			wantError(400, "INVALID_ARGUMENT", "Content-Range")
	}
	w.do("PUT", "/v1/uploads/u1?restart=perhaps", "1", nil).wantError(400, "INVALID_ARGUMENT", "restart")
	w.do("PUT", "/v1/uploads/u1?restart=1", "1", header{"Content-Range": "bytes 1-1/100"}).wantError(400, "INVALID_ARGUMENT", "restart")
	w.do("PUT", "/v1/uploads/u1?offset=1", "1", nil).wantError(400, "INVALID_ARGUMENT", `"offset"`)
}

// The connection breaks in the middle of the body: the stream to the server is cancelled, not ended as if it were whole.
func TestBrokenUploadIsCancelled(t *testing.T) {
	got := make(chan error, 1)
	entered := make(chan struct{}, 1)
	f := &fake{write: func(s grpc.ClientStreamingServer[lbwv1.WriteUploadRequest, lbwv1.WriteUploadResponse]) error {
		for {
			if _, err := s.Recv(); err != nil {
				got <- err
				return err
			}
			entered <- struct{}{}
		}
	}}
	w := newWorld(t, f, Limits{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT /v1/uploads/u1 HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 2*chunkBytes)
	if _, err := conn.Write(make([]byte, chunkBytes+10)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, entered)
	conn.Close()
	if err := <-got; status.Code(err) != codes.Canceled {
		t.Errorf("the server saw %v", err)
	}
}
