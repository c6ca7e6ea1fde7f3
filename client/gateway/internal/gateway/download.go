package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// part is the bytes of an artifact that are asked for.
type part struct {
	offset, length uint64
	partial        bool
}

var (
	byteRange        = regexp.MustCompile(`^bytes=([0-9]{0,18})-([0-9]{0,18})$`)
	errUnsatisfiable = errors.New("no byte of the range exists")
)

// parseRange reads one range: "bytes=A-B", "bytes=A-" or "bytes=-N". Anything else is answered whole, as RFC 9110
// (14.2) allows.
func parseRange(text string, size uint64) (part, error) {
	whole := part{length: size}
	fields := byteRange.FindStringSubmatch(strings.ReplaceAll(text, " ", ""))
	if fields == nil || (fields[1] == "" && fields[2] == "") {
		return whole, nil
	}
	first, _ := strconv.ParseUint(fields[1], 10, 64) // 18 digits fit; empty is 0
	last, lastErr := strconv.ParseUint(fields[2], 10, 64)
	switch {
	case fields[1] == "": // the last N bytes
		if last == 0 || size == 0 {
			return part{}, errUnsatisfiable
		}
		length := min(last, size)
		return part{offset: size - length, length: length, partial: true}, nil
	case lastErr == nil && last < first:
		return whole, nil // not a range at all
	case first >= size:
		return part{}, errUnsatisfiable
	}
	if lastErr != nil || last >= size {
		last = size - 1
	}
	return part{offset: first, length: last - first + 1, partial: true}, nil
}

// download answers an artifact's bytes, checked chunk by chunk. What fails after the first byte ends the connection
// before Content-Length is reached, so that no client takes it for the whole.
func (g *Gateway) download(w http.ResponseWriter, r *http.Request) {
	name := resourceName(r, ":download")
	ctx, err := g.outgoing(r, lbwv1.ArtifactService_GetArtifact_FullMethodName)
	if err != nil {
		writeError(w, r, err)
		return
	}
	artifact, err := g.artifacts.GetArtifact(ctx, &lbwv1.GetArtifactRequest{Name: name})
	if err != nil {
		writeError(w, r, err)
		return
	}
	etag := `"` + artifact.GetSha256() + `"`
	setDownloadHeaders(w.Header(), artifact, etag)
	if matchesETag(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	asked := part{length: artifact.GetSizeBytes()}
	if condition := r.Header.Get("If-Range"); condition == "" || condition == etag {
		asked, err = parseRange(r.Header.Get("Range"), artifact.GetSizeBytes())
	}
	if err != nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", artifact.GetSizeBytes()))
		writeError(w, r, withHTTP(http.StatusRequestedRangeNotSatisfiable, fail(codes.OutOfRange, reasonBadArgument,
			"Range: %q: %v, the artifact has %d bytes", r.Header.Get("Range"), err, artifact.GetSizeBytes())))
		return
	}
	g.sendPart(w, r, name, artifact.GetSizeBytes(), asked)
}

func setDownloadHeaders(header http.Header, artifact *lbwv1.Artifact, etag string) {
	header.Set("Accept-Ranges", "bytes")
	header.Set("Etag", etag)
	header.Set("Cache-Control", "private, immutable") // its name is its content
	if digest, err := hex.DecodeString(artifact.GetSha256()); err == nil {
		header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(digest)+":")
	}
	file := artifact.GetDisplayName()
	if file == "" {
		file = artifact.GetSha256()
	}
	if value := mime.FormatMediaType("attachment", map[string]string{"filename": file}); value != "" {
		header.Set("Content-Disposition", value)
	}
}

func matchesETag(list, etag string) bool {
	for _, entry := range strings.Split(list, ",") {
		entry = strings.TrimPrefix(strings.TrimSpace(entry), "W/")
		if entry == etag || entry == "*" {
			return true
		}
	}
	return false
}

func startPart(w http.ResponseWriter, size uint64, asked part) {
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatUint(asked.length, 10))
	if asked.partial {
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", asked.offset, asked.offset+asked.length-1, size))
		w.WriteHeader(http.StatusPartialContent)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (g *Gateway) sendPart(w http.ResponseWriter, r *http.Request, name string, size uint64, asked part) {
	if asked.length == 0 || callOf(r.Context()).head {
		startPart(w, size, asked)
		return
	}
	ctx, err := g.outgoing(r, lbwv1.ArtifactService_ReadArtifact_FullMethodName)
	if err != nil {
		writeError(w, r, err)
		return
	}
	stream, err := g.artifacts.ReadArtifact(ctx,
		&lbwv1.ReadArtifactRequest{Name: name, Offset: asked.offset, Length: asked.length})
	if err != nil {
		writeError(w, r, err)
		return
	}
	next, end := asked.offset, asked.offset+asked.length
	for next < end {
		chunk, err := stream.Recv()
		if err == nil {
			err = checkChunk(chunk, next, end)
		}
		if err != nil && next == asked.offset {
			writeError(w, r, endedEarly(err))
			return
		}
		if err != nil {
			abort(r, endedEarly(err))
		}
		if next == asked.offset {
			startPart(w, size, asked)
		}
		if _, err := w.Write(chunk.GetData()); err != nil {
			abort(r, fail(codes.Canceled, "CANCELLED", "the client does not read: %v", err))
		}
		next += uint64(len(chunk.GetData()))
	}
}

func checkChunk(chunk *lbwv1.ReadArtifactResponse, next, end uint64) error {
	switch {
	case chunk.GetOffset() != next:
		return fail(codes.DataLoss, reasonChecksum, "the server sent offset=%d where %d was due", chunk.GetOffset(), next)
	case len(chunk.GetData()) == 0 || uint64(len(chunk.GetData())) > end-next:
		return fail(codes.DataLoss, reasonChecksum, "the server sent %d bytes at offset=%d, %d were due", len(chunk.GetData()), next, end-next)
	case crc32.Checksum(chunk.GetData(), castagnoli) != chunk.GetCrc32C():
		return fail(codes.DataLoss, reasonChecksum, "the bytes at offset=%d do not have their crc32c", next)
	}
	return nil
}

func endedEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return fail(codes.DataLoss, reasonChecksum, "the server ended the artifact early")
	}
	return err
}

// abort ends the connection in the middle of an answer.
func abort(r *http.Request, err error) {
	callOf(r.Context()).failed(err)
	panic(http.ErrAbortHandler)
}
