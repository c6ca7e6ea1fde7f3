package gateway

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	lbwv1 "lbwserve/gen/lbw/v1"
)

// finder finds two things in every picture, and draws where it is asked to.
func finder() *fake {
	return &fake{answer: func(_ context.Context, request proto.Message) (proto.Message, error) {
		r := request.(*lbwv1.DetectRequest)
		answer := &lbwv1.DetectResponse{ModelVersion: "models/m/versions/3"}
		for _, image := range r.GetImages() {
			result := &lbwv1.DetectResult{Detections: []*lbwv1.Detection{{Label: "a"}, {Label: "b"}}}
			switch {
			case string(image) == "bad":
				info, _ := anypb.New(&errdetails.ErrorInfo{Reason: "BAD_IMAGE", Domain: "lbw"})
				result = &lbwv1.DetectResult{Error: &spb.Status{
					Code: int32(codes.InvalidArgument), Message: "images[0] is cut short", Details: []*anypb.Any{info}}}
			case r.GetOptions().GetAnnotate() != lbwv1.ImageFormat_IMAGE_FORMAT_UNSPECIFIED:
				result.AnnotatedImage = []byte("drawn:" + string(image))
			}
			answer.Results = append(answer.Results, result)
		}
		return answer, nil
	}}
}

func lastDetect(t *testing.T, f *fake) *lbwv1.DetectRequest {
	t.Helper()
	_, request, _, _ := f.last()
	r, ok := request.(*lbwv1.DetectRequest)
	if !ok {
		t.Fatalf("the last call was %T", request)
	}
	return r
}

func TestPictureAsTheBody(t *testing.T) {
	for _, media := range []string{"image/jpeg", "image/png", "application/octet-stream"} {
		f := finder()
		w := newWorld(t, f, Limits{})
		fields := w.do("POST", "/v1/models/m:detect", "\xff\xd8\x00", header{"Content-Type": media}).wantOK()
		if len(fields["results"].([]any)) != 1 || fields["model_version"] != "models/m/versions/3" {
			t.Errorf("%v", fields)
		}
		r := lastDetect(t, f)
		if r.GetModel() != "models/m" || len(r.GetImages()) != 1 || string(r.GetImages()[0]) != "\xff\xd8\x00" {
			t.Errorf("%v", r)
		}
		if proto.Size(r.GetOptions()) != 0 {
			t.Errorf("options that nobody gave: %v", r.GetOptions())
		}
	}
}

func TestPictureToAVersionAndAnAlias(t *testing.T) {
	f := finder()
	w := newWorld(t, f, Limits{})
	for _, model := range []string{"models/m/versions/3", "models/m/aliases/stable"} {
		w.do("POST", "/v1/"+model+":detect", "x", header{"Content-Type": "image/png"}).wantOK()
		if got := lastDetect(t, f).GetModel(); got != model {
			t.Errorf("%s, want %s", got, model)
		}
	}
}

func TestOptionsInTheQuery(t *testing.T) {
	f := finder()
	w := newWorld(t, f, Limits{})
	const query = "?score=0.25&iou=1&max=9&classes=cat,dog&classes=cow&per_class_nms=false&annotate=png&outputs=1&top_k=3"
	w.do("POST", "/v1/models/m:detect"+query, "x", header{"Content-Type": "image/jpeg"}).wantOK()
	want := &lbwv1.DetectOptions{
		ScoreThreshold: proto.Float32(.25), IouThreshold: proto.Float32(1), MaxDetections: proto.Uint32(9),
		Classes: []string{"cat", "dog", "cow"}, PerClassNms: proto.Bool(false),
		Annotate: lbwv1.ImageFormat_IMAGE_FORMAT_PNG, IncludeOutputs: true, TopK: proto.Uint32(3),
	}
	if got := lastDetect(t, f).GetOptions(); !proto.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestBadOptionIsNamed(t *testing.T) {
	w := newWorld(t, finder(), Limits{})
	for _, row := range []struct{ query, field string }{
		{"score=1.5", "score"}, {"score=-0.1", "score"}, {"score=NaN", "score"}, {"score=", "score"}, {"score=1&score=1", "score"},
		{"iou=x", "iou"}, {"max=0", "max"}, {"max=-1", "max"}, {"max=4294967296", "max"}, {"top_k=0.5", "top_k"},
		{"per_class_nms=yes", "per_class_nms"}, {"outputs=2", "outputs"}, {"annotate=gif", "annotate"},
		{"scores=0.5", "scores"},
	} {
		e := w.do("POST", "/v1/models/m:detect?"+row.query, "x", header{"Content-Type": "image/jpeg"}).
			wantError(400, "INVALID_ARGUMENT", row.field)
		violations, _ := e.detail("BadRequest", "field_violations").([]any)
		if len(violations) != 1 || violations[0].(map[string]any)["field"] != row.field {
			t.Errorf("%s: details %s", row.query, e.Details)
		}
	}
}

func TestAnnotatedPictureAsTheAnswer(t *testing.T) {
	w := newWorld(t, finder(), Limits{})
	for _, row := range []struct{ accept, media string }{
		{"image/jpeg", "image/jpeg"}, {"image/png", "image/png"}, {"image/*", "image/jpeg"},
		{"application/json;q=0.1, image/png", "image/png"},
		{"*/*", "application/json"}, {"application/json, image/png", "application/json"}, {"text/html,*/*;q=0.8", "application/json"},
	} {
		got := w.do("POST", "/v1/models/m:detect", "pic", header{"Content-Type": "image/jpeg", "Accept": row.accept})
		if got.code != http.StatusOK || got.header.Get("Content-Type") != row.media {
			t.Errorf("Accept %s: HTTP %d, %s: %s", row.accept, got.code, got.header.Get("Content-Type"), got.body)
		}
		if strings.HasPrefix(row.media, "image/") &&
			(string(got.body) != "drawn:pic" || got.header.Get("X-Lbw-Detections") != "2" ||
				got.header.Get("X-Lbw-Model-Version") != "models/m/versions/3") {
			t.Errorf("%v: %s", got.header, got.body)
		}
	}
	bad := w.do("POST", "/v1/models/m:detect", "bad", header{"Content-Type": "image/jpeg", "Accept": "image/jpeg"})
	if e := bad.wantError(400, "INVALID_ARGUMENT", "cut short"); e.detail("ErrorInfo", "reason") != "BAD_IMAGE" {
		t.Errorf("details %s", e.Details)
	}
	w.do("POST", "/v1/models/m:detect?annotate=png", "pic", header{"Content-Type": "image/jpeg", "Accept": "image/jpeg"}).
		wantError(400, "INVALID_ARGUMENT", "annotate")
}

func TestBadPictureKeepsItsOwnError(t *testing.T) {
	w := newWorld(t, finder(), Limits{})
	fields := w.do("POST", "/v1/models/m:detect", "bad", header{"Content-Type": "image/jpeg"}).wantOK()
	failed := fields["results"].([]any)[0].(map[string]any)["error"].(map[string]any)
	if failed["code"] != 3.0 || failed["message"] != "images[0] is cut short" {
		t.Errorf("%v", failed)
	}
}

func form(fields ...[2]string) (body, media string) {
	var out bytes.Buffer
	writer := multipart.NewWriter(&out)
	for i, field := range fields {
		disposition := `form-data; name="` + field[0] + `"`
		if strings.HasPrefix(field[0], "image") {
			disposition += `; filename="` + string(rune('a'+i)) + `.jpg"`
		}
		part, _ := writer.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		_, _ = part.Write([]byte(field[1]))
	}
	_ = writer.Close()
	return out.String(), writer.FormDataContentType()
}

func TestFormOfPictures(t *testing.T) {
	f := finder()
	w := newWorld(t, f, Limits{})
	body, media := form([2]string{"image", "one"}, [2]string{"images", "two"}, [2]string{"images", "bad"}, [2]string{"score", "0.5"})
	fields := w.do("POST", "/v1/models/m:detect?max=4", body, header{"Content-Type": media}).wantOK()
	results := fields["results"].([]any)
	if len(results) != 3 || results[2].(map[string]any)["error"] == nil || results[0].(map[string]any)["error"] != nil {
		t.Errorf("%v", results)
	}
	r := lastDetect(t, f)
	if string(bytes.Join(r.GetImages(), []byte(" "))) != "one two bad" || r.GetOptions().GetScoreThreshold() != .5 ||
		r.GetOptions().GetMaxDetections() != 4 {
		t.Errorf("%v", r)
	}
	w.do("POST", "/v1/models/m:detect", body, header{"Content-Type": media, "Accept": "image/png"}).
		wantError(400, "INVALID_ARGUMENT", "3 were sent")
}

func TestBadForm(t *testing.T) {
	w := newWorld(t, finder(), Limits{})
	body, media := form([2]string{"picture", "x"})
	w.do("POST", "/v1/models/m:detect", body, header{"Content-Type": media}).wantError(400, "INVALID_ARGUMENT", `"picture"`)
	body, media = form([2]string{"score", "0.5"})
	w.do("POST", "/v1/models/m:detect", body, header{"Content-Type": media}).wantError(400, "INVALID_ARGUMENT", "no picture")
	body, media = form([2]string{"image", "x"})
	w.do("POST", "/v1/models/m:detect", body[:len(body)-10], header{"Content-Type": media}).wantError(400, "INVALID_ARGUMENT", "read")
	w.do("POST", "/v1/models/m:detect", body, header{"Content-Type": "multipart/form-data"}).wantError(400, "INVALID_ARGUMENT", "boundary")
}

func TestDetectNamesTheTypesItTakes(t *testing.T) {
	w := newWorld(t, finder(), Limits{})
	for _, media := range []string{"", "application/x-www-form-urlencoded", "image/gif"} {
		w.do("POST", "/v1/models/m:detect", "x", header{"Content-Type": media}).wantError(415, "INVALID_ARGUMENT", "image/jpeg")
	}
	w.do("POST", "/v1/models/m:detect", "", header{"Content-Type": "image/jpeg"}).wantError(400, "INVALID_ARGUMENT", "empty")
}
