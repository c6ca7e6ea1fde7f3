package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var jsonOut = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// jsonMarshaler is the JSON of every route: proto field names, zero values printed, unknown fields refused.
type jsonMarshaler struct {
	runtime.JSONPb
}

func newJSONMarshaler() *jsonMarshaler {
	return &jsonMarshaler{runtime.JSONPb{MarshalOptions: jsonOut}}
}

// StreamContentType is the type of an answer that comes as one JSON value a line.
func (*jsonMarshaler) StreamContentType(any) string { return "application/x-ndjson" }

// Marshal writes a stream's last line, an error, in the same form as any other error.
func (m *jsonMarshaler) Marshal(v any) ([]byte, error) {
	if line, ok := v.(map[string]proto.Message); ok {
		if st, ok := line["error"].(*spb.Status); ok {
			return bytes.TrimRight(encodeError(status.ErrorProto(st)), "\n"), nil
		}
	}
	return m.JSONPb.Marshal(v)
}

// NewDecoder reads one message that is the whole body.
func (m *jsonMarshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		message, ok := v.(proto.Message)
		if !ok {
			return fmt.Errorf("%T is not a message", v)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return io.EOF // an empty body is an empty message
		}
		return decodeJSON(body, message)
	})
}

// decodeJSON names the line, and the field where there is one, of what it does not understand.
func decodeJSON(body []byte, message proto.Message) error {
	err := protojson.UnmarshalOptions{}.Unmarshal(body, message)
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
	var syntax *json.SyntaxError
	if jsonErr := json.Unmarshal(body, new(json.RawMessage)); errors.As(jsonErr, &syntax) {
		text = fmt.Sprintf("at byte %d: %v", syntax.Offset, syntax)
	}
	return errors.New(jsonBodyMark + protoNames(text, message.ProtoReflect().Descriptor()))
}

var fieldMention = regexp.MustCompile(`field (\w+)`)

// protoNames puts the protos' names where the JSON reader says a field's other one ("validateOnly").
func protoNames(text string, top protoreflect.MessageDescriptor) string {
	return fieldMention.ReplaceAllStringFunc(text, func(mention string) string {
		name, found := protoName(strings.TrimPrefix(mention, "field "), top, map[protoreflect.FullName]bool{})
		if !found {
			return mention
		}
		return "field " + name
	})
}

func protoName(jsonName string, in protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) (string, bool) {
	if seen[in.FullName()] {
		return "", false
	}
	seen[in.FullName()] = true
	if field := in.Fields().ByJSONName(jsonName); field != nil {
		return string(field.Name()), true
	}
	for i := range in.Fields().Len() {
		if inner := in.Fields().Get(i).Message(); inner != nil {
			if name, found := protoName(jsonName, inner, seen); found {
				return name, true
			}
		}
	}
	return "", false
}
