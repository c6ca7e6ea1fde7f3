package gateway

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

const chunkBytes = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// span is what a Content-Range says: the bytes from first to last, both in it; total < 0 where it is not told.
type span struct {
	first, last, total int64
}

func (s span) length() int64 { return s.last - s.first + 1 }

var contentRange = regexp.MustCompile(`^bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)$`)

// parseContentRange reads "bytes a-b/total" or "bytes a-b/*".
func parseContentRange(text string) (span, error) {
	fields := contentRange.FindStringSubmatch(text)
	if fields == nil {
		return span{}, badField("Content-Range", `Content-Range: %q is not "bytes FIRST-LAST/TOTAL"`, text)
	}
	s := span{total: -1}
	s.first, _ = strconv.ParseInt(fields[1], 10, 64) // 18 digits fit
	s.last, _ = strconv.ParseInt(fields[2], 10, 64)
	if fields[3] != "*" {
		s.total, _ = strconv.ParseInt(fields[3], 10, 64)
	}
	if s.last < s.first {
		return span{}, badField("Content-Range", "Content-Range: last=%d is before first=%d", s.last, s.first)
	}
	if s.total >= 0 && s.last >= s.total {
		return span{}, badField("Content-Range", "Content-Range: last=%d is not below total=%d", s.last, s.total)
	}
	return s, nil
}

// outgoing puts the request's forwarded headers into a context for a call that is made by hand.
func (g *Gateway) outgoing(r *http.Request, method string) (context.Context, error) {
	return runtime.AnnotateContext(r.Context(), g.mux, r, method)
}

// resourceName is the name a path of the form /v1/COLLECTION/ID[:verb] speaks of.
func resourceName(r *http.Request, verb string) string {
	return strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/"), verb)
}

// writeUpload sends the body as the bytes of an upload from the offset that Content-Range gives, or from 0. It answers
// once the server has committed them. A client whose connection broke asks GetUpload and goes on from there.
func (g *Gateway) writeUpload(w http.ResponseWriter, r *http.Request) {
	name := resourceName(r, "")
	body, first, err := g.uploadBody(r, name)
	if err != nil {
		writeError(w, r, err)
		return
	}
	ctx, err := g.outgoing(r, lbwv1.ArtifactService_WriteUpload_FullMethodName)
	if err != nil {
		writeError(w, r, err)
		return
	}
	ctx, cancel := context.WithCancel(ctx) // an error below ends the stream
	defer cancel()
	stream, err := g.artifacts.WriteUpload(ctx)
	if err != nil {
		writeError(w, r, err)
		return
	}
	answer, err := sendChunks(stream, body, first)
	if err != nil {
		writeError(w, r, err)
		return
	}
	writeMessage(w, r, answer)
}

// uploadBody checks what the headers say against each other and against the upload, before a byte is read.
func (g *Gateway) uploadBody(r *http.Request, name string) (io.Reader, *lbwv1.WriteUploadRequest, error) {
	first := &lbwv1.WriteUploadRequest{Name: name}
	if text := r.URL.Query().Get("restart"); text != "" {
		restart, err := strconv.ParseBool(text)
		if err != nil {
			return nil, nil, badField("restart", "query parameter restart: %q is not true or false", text)
		}
		first.Restart = restart
	}
	text := r.Header.Get("Content-Range")
	if text == "" {
		return r.Body, first, nil
	}
	asked, err := parseContentRange(text)
	if err != nil {
		return nil, nil, err
	}
	if r.ContentLength >= 0 && r.ContentLength != asked.length() {
		return nil, nil, badField("Content-Range", "Content-Range speaks of %d bytes, Content-Length of %d",
			asked.length(), r.ContentLength)
	}
	if first.Restart && asked.first != 0 {
		return nil, nil, badField("Content-Range", "Content-Range: first=%d, and restart begins at 0", asked.first)
	}
	if asked.total >= 0 {
		if err := g.checkUploadSize(r, name, asked.total); err != nil {
			return nil, nil, err
		}
	}
	first.Offset = uint64(asked.first)
	return &exactBody{r: r.Body, left: asked.length()}, first, nil
}

func (g *Gateway) checkUploadSize(r *http.Request, name string, total int64) error {
	ctx, err := g.outgoing(r, lbwv1.ArtifactService_GetUpload_FullMethodName)
	if err != nil {
		return err
	}
	upload, err := g.artifacts.GetUpload(ctx, &lbwv1.GetUploadRequest{Name: name})
	if err != nil {
		return err
	}
	if upload.GetSizeBytes() != uint64(total) {
		return badField("Content-Range", "Content-Range: total=%d, and the upload was opened with size_bytes=%d",
			total, upload.GetSizeBytes())
	}
	return nil
}

// exactBody fails where the body is shorter or longer than Content-Range said.
type exactBody struct {
	r    io.Reader
	left int64
}

func (b *exactBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, badField("Content-Range", "the body has more bytes than Content-Range says")
	}
	if err == io.EOF && b.left > 0 {
		return n, badField("Content-Range", "the body ends %d bytes before Content-Range says", b.left)
	}
	return n, err
}

type uploadStream = grpc.ClientStreamingClient[lbwv1.WriteUploadRequest, lbwv1.WriteUploadResponse]

// sendChunks sends at least one message, so that an empty body is an upload of nothing and not a broken stream.
func sendChunks(stream uploadStream, body io.Reader, message *lbwv1.WriteUploadRequest) (*lbwv1.WriteUploadResponse, error) {
	offset := message.GetOffset()
	for sent := 0; ; sent++ {
		chunk, ended, err := readChunk(body)
		if err != nil {
			return nil, err
		}
		if len(chunk) == 0 && sent > 0 {
			return stream.CloseAndRecv()
		}
		message.Offset, message.Data = offset, chunk
		message.Crc32C = crc32.Checksum(chunk, castagnoli)
		err = stream.Send(message)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil || ended { // io.EOF: the server ended the stream, and its status says why
			return stream.CloseAndRecv()
		}
		offset += uint64(len(chunk))
		message = &lbwv1.WriteUploadRequest{}
	}
}

// readChunk fills a chunk of its own, since gRPC may hold on to what it was given. A body that ends before its
// Content-Length is an error here, and not an end.
func readChunk(body io.Reader) (chunk []byte, ended bool, err error) {
	chunk = make([]byte, chunkBytes)
	filled := 0
	for filled < len(chunk) && err == nil {
		var n int
		n, err = body.Read(chunk[filled:])
		filled += n
	}
	if err == nil || err == io.EOF {
		return chunk[:filled], err == io.EOF, nil
	}
	if _, ours := status.FromError(err); ours {
		return nil, false, err
	}
	return nil, false, fail(codes.Canceled, "CANCELLED", "the body could not be read to its end: %v", err)
}

// writeMessage answers with a message as JSON.
func writeMessage(w http.ResponseWriter, r *http.Request, message proto.Message) {
	text, err := jsonOut.Marshal(message)
	if err != nil {
		writeError(w, r, fail(codes.Internal, reasonInternal, "the answer cannot be written as JSON: %v", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write(text)
}
