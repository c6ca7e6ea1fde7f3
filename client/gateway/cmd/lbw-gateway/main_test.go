package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"--server", "h:1", "--max-body-bytes=3MiB", "--log-format", "json"}, nil)
	if err != nil || o.server != "h:1" || o.maxBody != 3<<20 || o.listen != "127.0.0.1:8080" || o.maxBuffered != 1<<30 {
		t.Errorf("%+v %v", o, err)
	}
	for _, row := range [][2]string{
		{"--max-body-bytes=3MB", "3MB"}, {"--max-body-bytes=0", "0"}, {"--max-body-bytes=9999999999GiB", "size"},
		{"--log-format=xml", "xml"}, {"extra", "extra"}, {"--nothing", "nothing"}, {"--max-buffered-bytes=1KiB", "48MiB"},
	} {
		if _, err := parseOptions([]string{row[0]}, nil); err == nil || !strings.Contains(err.Error(), row[1]) {
			t.Errorf("%s: %v", row[0], err)
		}
	}
	var out bytes.Buffer
	if _, err := parseOptions([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "(default 48MiB)") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestRunAnnouncesServesAndStops(t *testing.T) {
	portFile := filepath.Join(t.TempDir(), "port.json")
	o, err := parseOptions([]string{"--listen=127.0.0.1:0", "--server=127.0.0.1:1", "--port-file=" + portFile}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o) }()
	port := awaitPort(t, portFile, ended)
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/livez", port))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", response, err)
	}
	response.Body.Close()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not stop")
	}
	if left, _ := filepath.Glob(portFile + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// awaitPort looks until the file is there; the file is whole whenever it is.
func awaitPort(t *testing.T, path string, ended <-chan error) int {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-tick.C:
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var ports struct{ HTTP int }
		if err := json.Unmarshal(text, &ports); err != nil || ports.HTTP == 0 {
			t.Fatalf("%q: %v", text, err)
		}
		return ports.HTTP
	}
}

func TestRunNamesWhatItCannotUse(t *testing.T) {
	for flag, value := range map[string]string{
		"--tls-ca": "/nonexistent", "--listen": "no such address", "--port-file": "/nonexistent/x/port.json",
	} {
		o, err := parseOptions([]string{"--listen=127.0.0.1:0", flag + "=" + value}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), o); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
