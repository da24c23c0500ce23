package output

import (
	"slices"
	"strconv"
	"strings"

	"cove/builder/export"
	"cove/errdefs"
)

// attribute is a KEY of an output.
type attribute struct {
	// types are those that take it; nil is all that make an image.
	types []Type
	set   func(o *Output, value string) error
}

var (
	keptIn = []Type{Image, Registry}
	files  = []Type{Tar, Local}
)

// attributes are those of buildx's --output. What is always done is taken with the one
// value that says so.
var attributes = map[string]attribute{
	"name": {set: func(o *Output, v string) error {
		o.Names = strings.Split(v, ",")
		return nil
	}},
	"push":           {keptIn, truth(func(o *Output, on bool) { o.Push = on })},
	"push-by-digest": {keptIn, truth(func(o *Output, on bool) { o.ByDigest = on })},
	// Every image has the name of its digest, too.
	"name-canonical": {keptIn, truth(func(*Output, bool) {})},
	"store":          {keptIn, truth(func(o *Output, on bool) { o.Passing = !on })},
	// Layers are unpacked when somebody reads their files.
	"unpack":             {keptIn, truth(func(*Output, bool) {})},
	"registry.insecure":  {keptIn, always(false)},
	"platform-split":     {files, truth(func(o *Output, on bool) { o.Split = &on })},
	"tar":                {[]Type{OCI, Docker}, truth(func(o *Output, on bool) { o.Archive = &on })},
	"oci-mediatypes":     {set: truth(func(o *Output, on bool) { o.DockerTypes = !on })},
	"force-compression":  {set: truth(func(o *Output, on bool) { o.Packing.Force = on })},
	"rewrite-timestamp":  {set: always(true)}, // by SOURCE_DATE_EPOCH
	"compression":        {set: func(o *Output, v string) error { o.Packing.Compression = v; return nil }},
	"compression-level":  {set: level},
	"buildinfo":          {set: truth(func(*Output, bool) {})}, // BuildKit has had none since 0.11
	"buildinfo-attrs":    {set: truth(func(*Output, bool) {})},
	"attestation-inline": {set: always(true)},
}

func truth(set func(*Output, bool)) func(*Output, string) error {
	return func(o *Output, value string) error {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "want true or false")
		}
		set(o, on)
		return nil
	}
}

func always(want bool) func(*Output, string) error {
	return func(_ *Output, value string) error {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "want true or false")
		}
		if on != want {
			return errdefs.Errorf(errdefs.ErrUnsupported, "this is not supported")
		}
		return nil
	}
}

func level(o *Output, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "this is not a number")
	}
	o.Packing.Level = &n
	return nil
}

// Set reads one KEY=VALUE of an output whose type is known.
func (o *Output) Set(key, value string) error {
	if strings.HasPrefix(key, "annotation") && o.IsImage() {
		return o.annotate(key, value)
	}
	a, known := attributes[key]
	switch {
	case !known:
		return errdefs.Errorf(errdefs.ErrUnsupported, "%s is not supported by type=%s", key, o.Type)
	case a.types == nil && !o.IsImage(), a.types != nil && !slices.Contains(a.types, o.Type):
		return errdefs.Errorf(errdefs.ErrInvalid, "type=%s takes no %s", o.Type, key)
	}
	if err := a.set(o, value); err != nil {
		return errdefs.Errorf(errdefs.KindOf(err), "%s=%s: %w", key, value, err)
	}
	return nil
}

// annotate reads annotation[-LEVEL][PLATFORM].KEY.
func (o *Output) annotate(key, value string) error {
	what, name, ok := strings.Cut(key, ".")
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: want annotation.KEY=VALUE", key)
	}
	level := strings.TrimPrefix(strings.TrimPrefix(what, "annotation"), "-")
	if level == "" || strings.HasPrefix(level, "[") {
		level = "manifest" + level
	}
	all, err := export.ParseAnnotation(level + ":" + name + "=" + value)
	o.Annotations = append(o.Annotations, all...)
	return err
}
