package buildcmd

import (
	"encoding/csv"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"cove/engine/builds"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// outputFlag is one --output.
type outputFlag struct {
	builds.Output
	compression string
	level       *int
	stdout      bool
	asArchive   *bool // tar=
}

// outputKeys says which types take a key; nil is all that make an image.
var outputKeys = map[string][]builds.OutputType{
	"name": nil, "compression": nil, "compression-level": nil, "oci-mediatypes": nil, "force-compression": nil,
	"push": {builds.Image, builds.Registry}, "store": {builds.Image, builds.Registry},
	"unpack":         {builds.Image, builds.Registry},
	"dest":           {builds.OCI, builds.Docker, builds.Tar, builds.Local},
	"tar":            {builds.OCI, builds.Docker},
	"platform-split": {builds.Tar, builds.Local},
}

// parseOutput reads type=TYPE[,KEY=VALUE…], or the short forms: DIRECTORY for
// type=local,dest=DIRECTORY, and - for type=tar,dest=-.
func parseOutput(text string) (outputFlag, error) {
	var o outputFlag
	if text == "-" {
		o.Type, o.stdout = builds.Tar, true
		return o, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	fields, err := r.Read()
	if err != nil {
		return o, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	if len(fields) == 1 && !strings.HasPrefix(fields[0], "type=") {
		o.Type, o.Dest = builds.Local, fields[0]
		return o, nil
	}
	rest := slices.DeleteFunc(fields, func(f string) bool {
		kind, ok := strings.CutPrefix(f, "type=")
		if ok {
			o.Type = builds.OutputType(kind)
		}
		return ok
	})
	switch o.Type {
	case builds.Image, builds.OCI, builds.Docker, builds.Tar, builds.Local, builds.CacheOnly:
	case builds.Registry:
		o.Push = true
	default:
		return o, errdefs.Errorf(errdefs.ErrInvalid, "type %q: want image, registry, oci, docker, tar, local or cacheonly", o.Type)
	}
	for _, f := range rest {
		if err := o.set(f); err != nil {
			return o, err
		}
	}
	return o, o.check()
}

// image says whether the output is an image, and not its files.
func (o *outputFlag) image() bool {
	return o.Type != builds.Tar && o.Type != builds.Local && o.Type != builds.CacheOnly
}

// set reads one KEY=VALUE.
func (o *outputFlag) set(field string) error {
	key, value, ok := strings.Cut(field, "=")
	if !ok || value == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q: want KEY=VALUE", field)
	}
	if strings.HasPrefix(key, "annotation") && o.image() {
		return o.annotate(key, value)
	}
	types, known := outputKeys[key]
	if known && types == nil && !o.image() || types != nil && !slices.Contains(types, o.Type) {
		return errdefs.Errorf(errdefs.ErrInvalid, "type=%s takes no %s", o.Type, key)
	}
	switch key {
	case "name":
		o.Names = strings.Split(value, ",")
	case "dest":
		o.Dest = value
	case "compression":
		o.compression = value
	case "compression-level":
		n, err := strconv.Atoi(value)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "compression-level=%s is not a number", value)
		}
		o.level = &n
	default:
		if !known {
			return errdefs.Errorf(errdefs.ErrUnsupported, "%s is not supported by type=%s", key, o.Type)
		}
		return o.setBool(key, value)
	}
	return nil
}

// setBool reads a key that is true or false. Some are accepted with the one value
// that says what is done anyway.
func (o *outputFlag) setBool(key, value string) error {
	on, err := strconv.ParseBool(value)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s=%s: want true or false", key, value)
	}
	always := map[string]bool{"oci-mediatypes": true, "store": true, "unpack": true, "force-compression": false}
	if want, fixed := always[key]; fixed {
		if on != want {
			return errdefs.Errorf(errdefs.ErrUnsupported, "%s=%s is not supported", key, value)
		}
		return nil
	}
	switch key {
	case "push":
		o.Push = on
	case "tar":
		o.asArchive = &on
	case "platform-split":
		o.Split = &on
	}
	return nil
}

// annotate reads annotation[-LEVEL][PLATFORM].KEY=VALUE.
func (o *outputFlag) annotate(key, value string) error {
	what, name, ok := strings.Cut(key, ".")
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: want annotation.KEY=VALUE", key)
	}
	level := strings.TrimPrefix(strings.TrimPrefix(what, "annotation"), "-")
	switch {
	case level == "":
		level = "manifest"
	case strings.HasPrefix(level, "["):
		level = "manifest" + level
	}
	all, err := builds.ParseAnnotation(level + ":" + name + "=" + value)
	o.Annotations = append(o.Annotations, all...)
	return err
}

// check completes the destination.
func (o *outputFlag) check() error {
	toDir := o.asArchive != nil && !*o.asArchive
	switch {
	case o.Type == builds.Local && o.Dest == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "type=local needs dest=DIRECTORY")
	case o.Type == builds.Local && o.Dest == "-":
		return errdefs.Errorf(errdefs.ErrInvalid, "type=local writes a directory: use type=tar for an archive")
	case toDir && (o.Dest == "" || o.Dest == "-"):
		return errdefs.Errorf(errdefs.ErrInvalid, "tar=false needs dest=DIRECTORY")
	case o.Type == builds.Docker && o.Dest == "":
		o.Type = builds.Image // docker loads it; here it is there already
	case o.Type == builds.OCI || o.Type == builds.Tar || o.Type == builds.Docker:
		o.stdout = o.Dest == "" || o.Dest == "-"
	}
	return nil
}

// readOutputs reads every flag that says where the image goes.
func (f *buildFlags) readOutputs(a *app.App, o *builds.Options) error {
	all, err := f.parseOutputs()
	if err != nil {
		return err
	}
	var common builds.Annotations
	for _, text := range f.annotations {
		as, err := builds.ParseAnnotation(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "--annotation: %w", err)
		}
		common = append(common, as...)
	}
	for i := range all {
		out := &all[i]
		if out.image() {
			out.Annotations = append(slices.Clone(common), out.Annotations...)
		}
		if err := f.destination(a, out); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "--output: %w", err)
		}
		o.Outputs = append(o.Outputs, out.Output)
	}
	if len(common) > 0 && !slices.ContainsFunc(all, func(out outputFlag) bool { return out.image() }) {
		return errdefs.Errorf(errdefs.ErrInvalid, "--annotation: no image is made that could have one")
	}
	return f.readCompression(all, o)
}

func (f *buildFlags) parseOutputs() (all []outputFlag, err error) {
	for _, text := range f.outputs {
		out, err := parseOutput(text)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "--output %s: %w", text, err)
		}
		all = append(all, out)
	}
	switch {
	case f.push:
		all = append(all, outputFlag{Output: builds.Output{Type: builds.Registry, Push: true}})
	case f.load, len(all) == 0:
		all = append(all, outputFlag{Output: builds.Output{Type: builds.Image}})
	}
	return all, nil
}

// destination opens where the output is written.
func (f *buildFlags) destination(a *app.App, out *outputFlag) error {
	switch {
	case out.stdout && f.toStdout:
		return errdefs.Errorf(errdefs.ErrInvalid, "only one output can go to standard output")
	case out.stdout && isTerminal(a.Out):
		return errdefs.Errorf(errdefs.ErrInvalid, "an archive is not for a terminal: give dest=FILE, or redirect the output")
	case out.stdout:
		f.toStdout = true
		out.Dest = ""
		out.Write = func(write func(io.Writer) error) error { return write(a.Out) }
	case out.Dest != "" && out.Type != builds.Local && (out.asArchive == nil || *out.asArchive):
		file := out.Dest
		out.Dest = ""
		out.Write = func(write func(io.Writer) error) error { return app.WriteFile(file, write) }
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readCompression finds the one compression of new layers: a build packs each
// once.
func (f *buildFlags) readCompression(all []outputFlag, o *builds.Options) error {
	name, level := f.compression, (*int)(nil)
	if f.level != 0 {
		level = &f.level
	}
	for _, out := range all {
		if name != "" && out.compression != "" && name != out.compression {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"compression %s and %s: a build packs each layer once, for all outputs", name, out.compression)
		}
		if level != nil && out.level != nil && *level != *out.level {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"compression-level %d and %d: a build packs each layer once, for all outputs", *level, *out.level)
		}
		if out.compression != "" {
			name = out.compression
		}
		if out.level != nil {
			level = out.level
		}
	}
	switch name {
	case "uncompressed":
		name = "none"
	case "", "gzip", "zstd", "estargz", "none":
	default:
		return errdefs.Errorf(errdefs.ErrUnsupported, "compression %s: want gzip, zstd, estargz or uncompressed", name)
	}
	o.Compression = name
	if level == nil {
		return nil
	}
	var err error
	o.Level, err = compressionLevel(name, *level)
	return err
}

// zstdLevels are the levels of the zstd program at which the next of our four
// begins, fastest first.
var zstdLevels = []int{3, 6, 10}

// compressionLevel is a level as buildx takes it, 0 to 9 or 0 to 22, in the
// compressor's own steps.
func compressionLevel(name string, level int) (int, error) {
	switch {
	case name == "none":
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "compression none has no level")
	case name == "zstd" && level >= 0 && level <= 22:
		step := 1
		for _, from := range zstdLevels {
			if level >= from {
				step++
			}
		}
		return step, nil
	case name != "zstd" && level >= 1 && level <= 9:
		return level, nil
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "compression level %d: want 1 to 9 for gzip and estargz, 0 to 22 for zstd", level)
}
