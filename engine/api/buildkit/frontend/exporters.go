package frontend

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	control "github.com/moby/buildkit/api/services/control"

	"cove/engine/builds"
	"cove/engine/builds/output"
	"cove/errdefs"
)

// exporterTypes are a client's exporters. docker's own daemon has moby, which is its
// image store.
var exporterTypes = map[string]output.Type{
	"moby": builds.Image, "image": builds.Image, "docker": builds.Docker, "oci": builds.OCI,
	"tar": builds.Tar, "local": builds.Local,
}

// clients are attributes that are about the client alone, or about what BuildKit's store
// has beside images.
var clients = map[string]bool{
	"prefer-image-digest": true, "oci-artifact": true, "context": true, "dest": true, "dangling-name-prefix": true,
	"mode": true, "load": true,
}

// output reads one exporter.
func (r *Request) output(index int, e *control.Exporter, send Send, temp string) (out builds.Output, err error) {
	kind, ok := exporterTypes[e.Type]
	if !ok {
		return out, errdefs.Errorf(errdefs.ErrUnsupported,
			"exporter %q: want image, docker, oci, tar or local", e.Type)
	}
	out.Type = kind
	for key, value := range e.Attrs {
		if clients[key] || value == "" { // an attribute that is empty is one that is not there
			continue
		}
		if err := out.Set(key, value); err != nil {
			return out, errdefs.Errorf(errdefs.KindOf(err), "output type=%s: %w", e.Type, err)
		}
	}
	if out.Archive != nil && !*out.Archive {
		return out, errdefs.Errorf(errdefs.ErrUnsupported, "output type=%s: tar=false is not supported", e.Type)
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
