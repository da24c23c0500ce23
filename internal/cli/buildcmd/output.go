package buildcmd

import (
	"encoding/csv"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"cove/engine/builds"
	"cove/engine/builds/output"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// outputFlag is one --output.
type outputFlag struct {
	builds.Output
	stdout bool
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
			o.Type = output.Type(kind)
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

// set reads one KEY=VALUE.
func (o *outputFlag) set(field string) error {
	key, value, ok := strings.Cut(field, "=")
	if !ok || value == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "%q: want KEY=VALUE", field)
	}
	if key != "dest" {
		return o.Set(key, value)
	}
	if o.Type == builds.Image || o.Type == builds.Registry || o.Type == builds.CacheOnly {
		return errdefs.Errorf(errdefs.ErrInvalid, "type=%s takes no dest", o.Type)
	}
	o.Dest = value
	return nil
}

// check completes the destination.
func (o *outputFlag) check() error {
	toDir := o.Archive != nil && !*o.Archive
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
		if out.IsImage() {
			out.Annotations = append(slices.Clone(common), out.Annotations...)
		}
		if err := f.destination(a, out); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "--output: %w", err)
		}
		o.Outputs = append(o.Outputs, out.Output)
	}
	if len(common) > 0 && !slices.ContainsFunc(all, func(out outputFlag) bool { return out.IsImage() }) {
		return errdefs.Errorf(errdefs.ErrInvalid, "--annotation: no image is made that could have one")
	}
	o.Packing.Compression = f.compression
	if f.level != 0 {
		o.Packing.Level = &f.level
	}
	return o.SettlePacking()
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
	case out.Dest != "" && out.Type != builds.Local && (out.Archive == nil || *out.Archive):
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
