package frontend

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	control "github.com/moby/buildkit/api/services/control"

	"cove/engine/builds"
	"cove/errdefs"
)

// exporterTypes are a client's exporters. docker's own daemon has moby, which is its
// image store.
var exporterTypes = map[string]builds.OutputType{
	"moby": builds.Image, "image": builds.Image, "docker": builds.Docker, "oci": builds.OCI,
	"tar": builds.Tar, "local": builds.Local,
}

// fixed are attributes that are taken with the one value that says what is done
// anyway; "" is any, of what changes nothing here.
var fixed = map[string]string{
	"store": "true", "unpack": "true", "oci-mediatypes": "true", "force-compression": "false",
	"prefer-image-digest": "", "oci-artifact": "", "context": "", "dest": "", "buildinfo-attrs": "",
	"rewrite-timestamp": "false", "dangling-name-prefix": "", "name-canonical": "", "tar": "true", "mode": "copy",
	"push-by-digest": "false", "registry.insecure": "false", "attestation-inline": "", "load": "",
}

// output reads one exporter. The compression is that of the build, since each layer
// is packed once.
func (r *Request) output(index int, e *control.Exporter, send Send, temp string) (out builds.Output, err error) {
	kind, ok := exporterTypes[e.Type]
	if !ok {
		return out, errdefs.Errorf(errdefs.ErrUnsupported,
			"exporter %q: want image, docker, oci, tar or local", e.Type)
	}
	out.Type = kind
	for key, value := range e.Attrs {
		if err := r.attribute(&out, key, value); err != nil {
			return out, errdefs.Errorf(errdefs.KindOf(err), "output type=%s,%s=%s: %w", e.Type, key, value, err)
		}
	}
	switch kind {
	case builds.Local:
		out.Dest = filepath.Join(temp, "output-"+strconv.Itoa(index))
		err = os.Mkdir(out.Dest, 0o700)
	case builds.Docker, builds.OCI, builds.Tar:
		names := strings.Join(out.Names, ",")
		out.Write = func(write func(io.Writer) error) error { return send(index, names, write) }
	}
	return out, err
}

// attribute reads one attribute of an output.
func (r *Request) attribute(out *builds.Output, key, value string) error {
	switch key {
	case "name":
		if value != "" {
			out.Names = strings.Split(value, ",")
		}
	case "push":
		return boolean(value, &out.Push)
	case "platform-split":
		out.Split = new(bool)
		return boolean(value, out.Split)
	case "compression":
		if r.Options.Compression = value; value == "uncompressed" {
			r.Options.Compression = "none"
		}
	case "compression-level":
		level, err := strconv.Atoi(value)
		r.Options.Level = level
		return err
	default:
		if strings.HasPrefix(key, "annotation") {
			return annotate(out, key, value)
		}
		if only, ok := fixed[key]; ok && (only == "" || only == value || value == "") {
			return nil
		}
		return errdefs.Errorf(errdefs.ErrUnsupported, "this is not supported")
	}
	return nil
}

func boolean(text string, into *bool) (err error) {
	if *into, err = strconv.ParseBool(text); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "want true or false")
	}
	return nil
}

// annotate reads annotation[-LEVEL][[PLATFORM]].KEY.
func annotate(out *builds.Output, key, value string) error {
	what, name, ok := strings.Cut(key, ".")
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "want annotation.KEY=VALUE")
	}
	level := strings.TrimPrefix(strings.TrimPrefix(what, "annotation"), "-")
	if level == "" || strings.HasPrefix(level, "[") {
		level = "manifest" + level
	}
	all, err := builds.ParseAnnotation(level + ":" + name + "=" + value)
	out.Annotations = append(out.Annotations, all...)
	return err
}

// Send writes the output of one exporter to the client, with the names of its image.
type Send func(exporter int, names string, write func(io.Writer) error) error

// Outputs reads the exporters; those that write directories do so below temp. None builds for the cache alone.
func (r *Request) Outputs(send Send, temp string) error {
	r.Options.Outputs = nil
	for i, e := range r.Exporters {
		out, err := r.output(i, e, send, temp)
		if err != nil {
			return err
		}
		r.Options.Outputs = append(r.Options.Outputs, out)
	}
	if len(r.Options.Outputs) == 0 {
		r.Options.Outputs = []builds.Output{{Type: builds.CacheOnly}}
	}
	return nil
}
