package export

import (
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/internal/platforms"
)

// Level is the document that an annotation goes into.
type Level string

// The levels, as they are written before an annotation.
const (
	// Manifest is an image's manifest, ManifestDescriptor its entry in the index.
	Manifest           Level = "manifest"
	ManifestDescriptor Level = "manifest-descriptor"
	// Index is the index of several images, IndexDescriptor its entry in the
	// index of an OCI layout.
	Index           Level = "index"
	IndexDescriptor Level = "index-descriptor"
)

// Annotation is one annotation of what a build makes.
type Annotation struct {
	Level Level
	// Platform is the one whose image it is for; zero is all of them.
	Platform   ocispec.Platform
	Key, Value string
}

// Annotations are those of one export; of two for the same key the later counts.
type Annotations []Annotation

// ParseAnnotation reads [LEVEL[PLATFORM][,LEVEL…]:]KEY=VALUE, where LEVEL is as
// "index" or "manifest[linux/arm64]"; without it an annotation is of the manifest.
func ParseAnnotation(text string) (Annotations, error) {
	name, value, ok := strings.Cut(text, "=")
	key, levels := name, string(Manifest)
	if before, after, found := strings.Cut(name, ":"); found {
		levels, key = before, after
	}
	if !ok || key == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "annotation %q: want [LEVEL:]KEY=VALUE", text)
	}
	var all Annotations
	for _, word := range strings.Split(levels, ",") {
		a, err := parseLevel(word)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "annotation %q: %w", text, err)
		}
		a.Key, a.Value = key, value
		all = append(all, a)
	}
	return all, nil
}

func parseLevel(word string) (Annotation, error) {
	name, platform, has := strings.Cut(strings.TrimSuffix(word, "]"), "[")
	a := Annotation{Level: Level(name)}
	if has != strings.HasSuffix(word, "]") {
		return a, errdefs.Errorf(errdefs.ErrInvalid, "%q: want LEVEL or LEVEL[PLATFORM]", word)
	}
	switch a.Level {
	case Manifest, ManifestDescriptor:
	case Index, IndexDescriptor:
		if has {
			return a, errdefs.Errorf(errdefs.ErrInvalid, "%s is of all platforms and takes none", name)
		}
	default:
		return a, errdefs.Errorf(errdefs.ErrInvalid,
			"%q is none of manifest, index, manifest-descriptor, index-descriptor", name)
	}
	if !has {
		return a, nil
	}
	var err error
	a.Platform, err = platforms.Parse(platform)
	return a, err
}

// of are the annotations of one document; nil is none.
func (as Annotations) of(level Level, p ocispec.Platform) map[string]string {
	var m map[string]string
	for _, a := range as {
		if a.Level != level || a.Platform.OS != "" && platforms.Format(a.Platform) != platforms.Format(p) {
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[a.Key] = a.Value
	}
	return m
}

// InLayout are the annotations of an image's or index's entry in the index of an
// OCI layout.
func (as Annotations) InLayout(e Exported) map[string]string {
	if len(e.Images) == 1 && len(e.Attestations) == 0 {
		return as.of(ManifestDescriptor, *e.Images[0].Manifest.Platform)
	}
	return as.of(IndexDescriptor, ocispec.Platform{})
}

// checkSingle refuses annotations of an index where there is none.
func (as Annotations) checkSingle() error {
	for _, a := range as {
		if a.Level == Index || a.Level == IndexDescriptor {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"annotation %s:%s: a build for one platform makes a manifest and no index", a.Level, a.Key)
		}
	}
	return nil
}
