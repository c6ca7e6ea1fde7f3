package gateway

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

var sha = strings.Repeat("ab", 32)

// artifactOf serves data in chunks of 1000 bytes; spoil may change one.
func artifactOf(data []byte, spoil func(*lbwv1.ReadArtifactResponse)) *fake {
	f := &fake{}
	f.answer = func(_ context.Context, request proto.Message) (proto.Message, error) {
		name := request.(*lbwv1.GetArtifactRequest).GetName()
		if name != "artifacts/"+sha {
			return nil, status.Errorf(codes.NotFound, "no %s", name)
		}
		return &lbwv1.Artifact{Name: name, Sha256: sha, SizeBytes: uint64(len(data)), DisplayName: `net "a".onnx`}, nil
	}
	f.read = func(r *lbwv1.ReadArtifactRequest, s grpc.ServerStreamingServer[lbwv1.ReadArtifactResponse]) error {
		f.record(s.Context(), "read", r)
		end := uint64(len(data))
		if r.GetLength() != 0 {
			end = r.GetOffset() + r.GetLength()
		}
		for at := r.GetOffset(); at < end; {
			piece := data[at:min(at+1000, end)]
			m := &lbwv1.ReadArtifactResponse{Offset: at, Data: piece, SizeBytes: uint64(len(data)),
				Crc32C: crc32.Checksum(piece, crc32.MakeTable(crc32.Castagnoli))}
			if spoil != nil {
				spoil(m)
			}
			if err := s.Send(m); err != nil {
				return err
			}
			at += uint64(len(piece))
		}
		return nil
	}
	return f
}

func TestDownloadWhole(t *testing.T) {
	data := randomBytes(2500)
	w := newWorld(t, artifactOf(data, nil), Limits{})
	got := w.do("GET", "/v1/artifacts/"+sha+":download", "", nil)
	if got.code != http.StatusOK || !bytes.Equal(got.body, data) {
		t.Fatalf("HTTP %d, %d bytes", got.code, len(got.body))
	}
	for name, want := range map[string]string{
		"Content-Type": "application/octet-stream", "Content-Length": "2500", "Etag": `"` + sha + `"`, "Accept-Ranges": "bytes",
		"Content-Disposition": `attachment; filename="net \"a\".onnx"`,
		"Repr-Digest":         "sha-256=:q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=:",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
}

func TestDownloadRange(t *testing.T) {
	data := randomBytes(2500)
	w := newWorld(t, artifactOf(data, nil), Limits{})
	for _, row := range []struct {
		text        string
		first, last int
	}{
		{"bytes=0-0", 0, 0}, {"bytes=0-2499", 0, 2499}, {"bytes=10-1009", 10, 1009}, {"bytes=2499-", 2499, 2499},
		{"bytes=100-", 100, 2499}, {"bytes=-1", 2499, 2499}, {"bytes=-9999", 0, 2499}, {"bytes=2000-9999", 2000, 2499},
	} {
		got := w.do("GET", "/v1/artifacts/"+sha+":download", "", header{"Range": row.text})
		want := fmt.Sprintf("bytes %d-%d/2500", row.first, row.last)
		if got.code != http.StatusPartialContent || got.header.Get("Content-Range") != want ||
			!bytes.Equal(got.body, data[row.first:row.last+1]) {
			t.Errorf("%s: HTTP %d, %q, %d bytes", row.text, got.code, got.header.Get("Content-Range"), len(got.body))
		}
	}
	for _, text := range []string{"bytes=0-1,5-6", "items=0-1", "bytes=5-1", "bytes=-", "bytes=a-b"} {
		if got := w.do("GET", "/v1/artifacts/"+sha+":download", "", header{"Range": text}); got.code != 200 || len(got.body) != 2500 {
			t.Errorf("%s: HTTP %d, %d bytes", text, got.code, len(got.body))
		}
	}
	for _, text := range []string{"bytes=2500-", "bytes=2500-2600", "bytes=-0"} {
		got := w.do("GET", "/v1/artifacts/"+sha+":download", "", header{"Range": text})
		got.wantError(416, "OUT_OF_RANGE", "2500 bytes")
		if got.header.Get("Content-Range") != "bytes */2500" {
			t.Errorf("%s: %q", text, got.header.Get("Content-Range"))
		}
	}
}

func TestDownloadConditions(t *testing.T) {
	f := artifactOf(randomBytes(2500), nil)
	w := newWorld(t, f, Limits{})
	path, etag := "/v1/artifacts/"+sha+":download", `"`+sha+`"`
	for _, row := range []struct {
		h    header
		code int
	}{
		{header{"If-None-Match": etag}, 304}, {header{"If-None-Match": `"x", W/` + etag}, 304}, {header{"If-None-Match": `"x"`}, 200},
		{header{"If-Range": etag, "Range": "bytes=0-1"}, 206}, {header{"If-Range": `"x"`, "Range": "bytes=0-1"}, 200},
		{header{"If-Range": `"x"`, "Range": "bytes=9999-"}, 200},
	} {
		if got := w.do("GET", path, "", row.h); got.code != row.code {
			t.Errorf("%v: HTTP %d, want %d", row.h, got.code, row.code)
		}
	}
	reads := len(f.methods)
	got := w.do("HEAD", path, "", nil)
	if got.code != 200 || got.header.Get("Content-Length") != "2500" || len(f.methods) != reads+1 {
		t.Errorf("HTTP %d, %v, %v", got.code, got.header, f.methods[reads:])
	}
}

func TestDownloadOfNothing(t *testing.T) {
	w := newWorld(t, artifactOf(nil, nil), Limits{})
	got := w.do("GET", "/v1/artifacts/"+sha+":download", "", nil)
	if got.code != 200 || len(got.body) != 0 || got.header.Get("Content-Length") != "0" {
		t.Errorf("HTTP %d, %v", got.code, got.header)
	}
	w.do("GET", "/v1/artifacts/other:download", "", nil).wantError(404, "NOT_FOUND", "artifacts/other")
}

// What is wrong before the first byte is an error; what is wrong later must not look like a whole answer.
func TestDownloadOfSpoiltBytes(t *testing.T) {
	for name, spoil := range map[string]func(*lbwv1.ReadArtifactResponse){
		"crc32c": func(m *lbwv1.ReadArtifactResponse) { m.Crc32C++ },
		"offset": func(m *lbwv1.ReadArtifactResponse) { m.Offset++ },
		"empty":  func(m *lbwv1.ReadArtifactResponse) { m.Data, m.Crc32C = nil, 0 },
	} {
		first := newWorld(t, artifactOf(randomBytes(2500), spoil), Limits{})
		first.do("GET", "/v1/artifacts/"+sha+":download", "", nil).wantError(500, "DATA_LOSS", "offset=")
		later := newWorld(t, artifactOf(randomBytes(20_000), func(m *lbwv1.ReadArtifactResponse) {
			if m.GetOffset() >= 10_000 {
				spoil(m)
			}
		}), Limits{})
		response, err := later.client.Do(later.request("GET", "/v1/artifacts/"+sha+":download", nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil || len(body) > 10_000 {
			t.Errorf("%s: %d bytes and error %v", name, len(body), err)
		}
	}
}
