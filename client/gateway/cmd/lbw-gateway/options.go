package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

type options struct {
	server      string
	listen      string
	portFile    string
	tlsCA       string
	logFormat   string
	maxBody     byteSize
	maxBuffered byteSize
	drainDelay  time.Duration
	grace       time.Duration
}

const usageHead = `Serves the API of lbw-server as REST and JSON; /openapi.json describes it.

    lbw-gateway [--server 127.0.0.1:8500] [--listen 127.0.0.1:8080] [...]

`

// parseOptions returns flag.ErrHelp where the caller only asked for help or the version; out has the answer then.
func parseOptions(args []string, out io.Writer) (options, error) {
	o := options{maxBody: 48 << 20, maxBuffered: 1 << 30}
	set := flag.NewFlagSet("lbw-gateway", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&o.server, "server", "127.0.0.1:8500", "`HOST:PORT` of lbw-server, or any target of gRPC's (dns:///..., unix:...)")
	set.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`HOST:PORT` to serve on; port 0 picks a free one")
	set.StringVar(&o.portFile, "port-file", "", "`FILE` that receives {\"http\": N} once the gateway serves")
	set.StringVar(&o.tlsCA, "tls-ca", "", "`FILE` with the certificates (PEM) that the server's is checked against; plain text without")
	set.StringVar(&o.logFormat, "log-format", "text", "`FORMAT`: text or json")
	set.Var(&o.maxBody, "max-body-bytes", "`SIZE` of the largest JSON or picture body; uploads are not bounded by it")
	set.Var(&o.maxBuffered, "max-buffered-bytes", "`SIZE` of all such bodies that are held at once")
	set.DurationVar(&o.drainDelay, "drain-delay", 0, "`TIME` for which /readyz fails after SIGTERM before connections are refused")
	set.DurationVar(&o.grace, "shutdown-grace", 30*time.Second, "`TIME` for which requests under way may go on after SIGTERM")
	showVersion := set.Bool("version", false, "print the version")
	err := set.Parse(args)
	switch {
	case err == flag.ErrHelp:
		printUsage(out, set)
		return o, err
	case err != nil:
		return o, err
	case *showVersion:
		fmt.Fprintln(out, "lbw-gateway", version)
		return o, flag.ErrHelp
	case set.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; see --help", set.Arg(0))
	case o.logFormat != "text" && o.logFormat != "json":
		return o, fmt.Errorf("--log-format: %q is not text or json", o.logFormat)
	case o.maxBuffered < o.maxBody:
		return o, fmt.Errorf("--max-buffered-bytes=%v is below --max-body-bytes=%v", o.maxBuffered, o.maxBody)
	}
	return o, nil
}

func printUsage(out io.Writer, set *flag.FlagSet) {
	fmt.Fprint(out, usageHead)
	set.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0s" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(out, "  %-29s %s\n", "--"+f.Name+" "+value, text)
	})
}

// byteSize is a number of bytes, written "1000", "64KiB", "48MiB" or "1GiB".
type byteSize int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

func (b *byteSize) Set(text string) error {
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		count, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || count <= 0 || count > math.MaxInt64/unit.bytes {
			break
		}
		*b = byteSize(count * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 48MiB", text)
}

func (b byteSize) String() string {
	for _, unit := range sizeUnits {
		if int64(b)%unit.bytes == 0 && b != 0 {
			return strconv.FormatInt(int64(b)/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
