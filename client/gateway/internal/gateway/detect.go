package gateway

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	lbwv1 "lbwserve/gen/lbw/v1"
)

const (
	pictureTypes   = "image/jpeg, image/png, application/octet-stream, multipart/form-data or application/json"
	optionMaxBytes = 64 << 10 // of one option in a form

	headerDetections   = "X-Lbw-Detections"
	headerModelVersion = "X-Lbw-Model-Version"
)

// optionSetters are the options of a picture's route, as query parameters or as fields of a form.
var optionSetters = map[string]func(*lbwv1.DetectOptions, []string) error{
	"score": func(o *lbwv1.DetectOptions, v []string) (err error) {
		o.ScoreThreshold, err = ratio("score", v)
		return err
	},
	"iou": func(o *lbwv1.DetectOptions, v []string) (err error) {
		o.IouThreshold, err = ratio("iou", v)
		return err
	},
	"max": func(o *lbwv1.DetectOptions, v []string) (err error) {
		o.MaxDetections, err = count("max", v)
		return err
	},
	"top_k": func(o *lbwv1.DetectOptions, v []string) (err error) {
		o.TopK, err = count("top_k", v)
		return err
	},
	"per_class_nms": func(o *lbwv1.DetectOptions, v []string) error {
		on, err := flag("per_class_nms", v)
		o.PerClassNms = proto.Bool(on)
		return err
	},
	"outputs": func(o *lbwv1.DetectOptions, v []string) (err error) {
		o.IncludeOutputs, err = flag("outputs", v)
		return err
	},
	"classes": func(o *lbwv1.DetectOptions, v []string) error {
		for _, list := range v {
			for _, label := range strings.Split(list, ",") {
				if label = strings.TrimSpace(label); label != "" {
					o.Classes = append(o.Classes, label)
				}
			}
		}
		return nil
	},
	"annotate": func(o *lbwv1.DetectOptions, v []string) error {
		text, err := single("annotate", v)
		if err != nil {
			return err
		}
		switch text {
		case "jpeg", "jpg":
			o.Annotate = lbwv1.ImageFormat_IMAGE_FORMAT_JPEG
		case "png":
			o.Annotate = lbwv1.ImageFormat_IMAGE_FORMAT_PNG
		default:
			return badField("annotate", "query parameter annotate: %q is not jpeg or png", text)
		}
		return nil
	},
}

func single(name string, values []string) (string, error) {
	if len(values) != 1 {
		return "", badField(name, "query parameter %s is given %d times, once is taken", name, len(values))
	}
	return values[0], nil
}

func ratio(name string, values []string) (*float32, error) {
	text, err := single(name, values)
	if err != nil {
		return nil, err
	}
	value, err := strconv.ParseFloat(text, 32)
	if err != nil || math.IsNaN(value) || value < 0 || value > 1 {
		return nil, badField(name, "query parameter %s: %q is not a number in [0, 1]", name, text)
	}
	return proto.Float32(float32(value)), nil
}

func count(name string, values []string) (*uint32, error) {
	text, err := single(name, values)
	if err != nil {
		return nil, err
	}
	value, err := strconv.ParseUint(text, 10, 32)
	if err != nil || value == 0 {
		return nil, badField(name, "query parameter %s: %q is not a whole number above 0", name, text)
	}
	return proto.Uint32(uint32(value)), nil
}

func flag(name string, values []string) (bool, error) {
	text, err := single(name, values)
	if err != nil {
		return false, err
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, badField(name, "query parameter %s: %q is not true or false", name, text)
	}
	return on, nil
}

// parseOptions names the first parameter that is unknown or out of range.
func parseOptions(values url.Values) (*lbwv1.DetectOptions, error) {
	known := make(map[string]bool, len(optionSetters))
	for name := range optionSetters {
		known[name] = true
	}
	if err := onlyKnown(values, known, ""); err != nil {
		return nil, err
	}
	options := &lbwv1.DetectOptions{}
	for name, given := range values {
		if err := optionSetters[name](options, given); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// detect answers pictures that come as they are, one as the body or several as a form.
func (g *Gateway) detect(w http.ResponseWriter, r *http.Request) {
	request, picture, err := detectRequest(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	ctx, err := g.outgoing(r, lbwv1.DetectionService_Detect_FullMethodName)
	if err != nil {
		writeError(w, r, err)
		return
	}
	answer, err := g.detection.Detect(ctx, request)
	if err != nil {
		writeError(w, r, err)
		return
	}
	w.Header().Set(headerModelVersion, answer.GetModelVersion())
	if picture == lbwv1.ImageFormat_IMAGE_FORMAT_UNSPECIFIED {
		writeMessage(w, r, answer)
		return
	}
	if err := writePicture(w, answer, picture); err != nil {
		writeError(w, r, err)
	}
}

// detectRequest also tells whether the answer is to be the annotated picture itself.
func detectRequest(r *http.Request) (*lbwv1.DetectRequest, lbwv1.ImageFormat, error) {
	const none = lbwv1.ImageFormat_IMAGE_FORMAT_UNSPECIFIED
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, none, fail(codes.InvalidArgument, reasonBadArgument, "the query does not parse: %v", err)
	}
	images, err := readPictures(r, values)
	if err != nil {
		return nil, none, err
	}
	options, err := parseOptions(values)
	if err != nil {
		return nil, none, err
	}
	picture := acceptedPicture(r.Header.Values("Accept"))
	if picture != none {
		if len(images) != 1 {
			return nil, none, badField("Accept", "Accept asks for a picture and %d were sent; one can be answered with one", len(images))
		}
		if options.Annotate != none && options.Annotate != picture {
			return nil, none, badField("annotate", "query parameter annotate and the Accept header ask for different pictures")
		}
		options.Annotate = picture
	}
	model := resourceName(r, ":detect")
	return &lbwv1.DetectRequest{Model: model, Images: images, Options: options}, picture, nil
}

// readPictures reads the body; a form's other fields are options and join values.
func readPictures(r *http.Request, values url.Values) ([][]byte, error) {
	switch contentType(r) {
	case "image/jpeg", "image/png", "application/octet-stream":
		image, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, unreadable(err)
		}
		if len(image) == 0 {
			return nil, badField("images", "the body is empty; it is to be one picture")
		}
		return [][]byte{image}, nil
	case "multipart/form-data":
		return readForm(r, values)
	}
	return nil, wrongContentType(r, pictureTypes)
}

func readForm(r *http.Request, values url.Values) ([][]byte, error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, badField("Content-Type", "Content-Type: multipart/form-data has no boundary")
	}
	var images [][]byte
	for reader := multipart.NewReader(r.Body, params["boundary"]); ; {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unreadable(err)
		}
		switch name := part.FormName(); {
		case name == "image" || name == "images":
			image, err := io.ReadAll(part)
			if err != nil {
				return nil, unreadable(err)
			}
			images = append(images, image)
		case optionSetters[name] != nil:
			text, err := io.ReadAll(io.LimitReader(part, optionMaxBytes+1))
			if err != nil {
				return nil, unreadable(err)
			}
			if len(text) > optionMaxBytes {
				return nil, badField(name, "form field %s is longer than %d bytes", name, optionMaxBytes)
			}
			values.Add(name, string(text))
		default:
			return nil, badField(name, "unknown form field %q; pictures are in image or images, options as in the query", name)
		}
	}
	if len(images) == 0 {
		return nil, badField("images", "the form has no picture; they are in fields image or images")
	}
	return images, nil
}

func unreadable(err error) error {
	return fail(codes.InvalidArgument, reasonBadArgument, "the body cannot be read: %v", err)
}

// acceptedPicture is the picture's format where a picture is what the caller would rather have than anything else.
func acceptedPicture(accept []string) lbwv1.ImageFormat {
	best, chosen := 0.0, lbwv1.ImageFormat_IMAGE_FORMAT_UNSPECIFIED
	for _, entry := range strings.Split(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(entry))
		if err != nil {
			continue
		}
		quality := 1.0
		if text, given := params["q"]; given {
			if quality, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if quality <= best {
			continue // of equals the first
		}
		best = quality
		switch media {
		case "image/jpeg", "image/*":
			chosen = lbwv1.ImageFormat_IMAGE_FORMAT_JPEG
		case "image/png":
			chosen = lbwv1.ImageFormat_IMAGE_FORMAT_PNG
		default:
			chosen = lbwv1.ImageFormat_IMAGE_FORMAT_UNSPECIFIED
		}
	}
	return chosen
}

// writePicture answers the annotated picture, and how much was found in headers. Where the picture failed there is
// none to answer, and its error becomes the call's.
func writePicture(w http.ResponseWriter, answer *lbwv1.DetectResponse, format lbwv1.ImageFormat) error {
	if len(answer.GetResults()) != 1 {
		return fail(codes.Internal, reasonInternal, "the server answered %d results for one picture", len(answer.GetResults()))
	}
	result := answer.GetResults()[0]
	if result.GetError() != nil {
		return status.ErrorProto(result.GetError())
	}
	if len(result.GetAnnotatedImage()) == 0 {
		return fail(codes.Unimplemented, reasonUnimplemented, "the model's head has nothing to draw; ask without Accept: image/...")
	}
	header := w.Header()
	header.Set("Content-Type", map[lbwv1.ImageFormat]string{
		lbwv1.ImageFormat_IMAGE_FORMAT_JPEG: "image/jpeg",
		lbwv1.ImageFormat_IMAGE_FORMAT_PNG:  "image/png",
	}[format])
	header.Set("Content-Length", fmt.Sprint(len(result.GetAnnotatedImage())))
	header.Set(headerDetections, fmt.Sprint(len(result.GetDetections())))
	_, _ = w.Write(result.GetAnnotatedImage())
	return nil
}
