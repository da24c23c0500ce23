package choice

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/selector"
)

func TestTarget(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		namespace string
		flatten   int
		repo      string
		want      string
	}{
		{"", 0, "a/b/c", "a/b/c"},
		{"", 0, "a", "a"},
		{"x", 0, "a/b/c", "x/a/b/c"},
		{"x/y", 0, "a", "x/y/a"},
		{"", 1, "a/b/c", "b/c"},
		{"x", 1, "a/b/c", "x/b/c"},
		{"x", 2, "a/b/c", "x/c"},
		{"x", 3, "a/b/c", "x/c"}, // the last component stays
		{"x", 20, "a", "x/a"},
		{"x", FlattenAll, "a/b/c", "x/c"},
		{"", FlattenAll, "a/b/c", "c"},
		{"x", FlattenAll, "a", "x/a"},
	} {
		o := Options{Namespace: tc.namespace, Flatten: tc.flatten}
		if got := o.Target(tc.repo); got != tc.want {
			t.Errorf("%s in %q, %d off: %s, want %s", tc.repo, tc.namespace, tc.flatten, got, tc.want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, right := range []Options{
		{Direction: Push},
		{Direction: Pull, Schedule: "0 3 * * *", Zone: "Europe/Berlin", Rate: 1 << 20},
		{Direction: Push, OnEvent: true, Namespace: "a/b", Flatten: FlattenAll, Labels: []string{"a=b"}},
		{Direction: Push, Filter: selector.Selector{Repositories: "team/{a,b}/**", Tags: "v*"}},
	} {
		if err := right.Check(now); err != nil {
			t.Errorf("%+v: %v", right, err)
		}
	}
	for says, wrong := range map[string]Options{
		"pushes or pulls":       {},
		"is not heard here":     {Direction: Pull, OnEvent: true},
		"namespace":             {Direction: Push, Namespace: "A"},
		"flatten is -2":         {Direction: Push, Flatten: -2},
		"flatten is 21":         {Direction: Push, Flatten: 21},
		"bytes a second":        {Direction: Push, Rate: 10},
		"no schedule":           {Direction: Push, Zone: "UTC"},
		"more than once":        {Direction: Push, Schedule: "* * * * * *"},
		"use a glob":            {Direction: Push, Filter: selector.Selector{Tags: "["}},
		"is no glob of a label": {Direction: Push, Labels: []string{""}},
		"at most":               {Direction: Push, MediaTypes: make([]string, 21)},
	} {
		if err := wrong.Check(now); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", wrong, err, says)
		}
	}
}

func TestChooses(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("ab", 32)
	o := Options{Filter: selector.Selector{Repositories: "team/**", Tags: "v*", ExceptTags: true}}
	for at, want := range map[string]bool{
		"team/app:latest": true, "team/a/b/c:1.0": true, "team/app:v1": false, "other/app:latest": false,
		"team/app:sha256-" + hex + ".sig": false, "team/app:sha256-" + hex: false, "team/app:sha256-x.sig": true,
	} {
		repo, tag, _ := strings.Cut(at, ":")
		if got := o.Chooses(repo, tag); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
	if o.Glob() != "team/**" {
		t.Errorf("glob %q", o.Glob())
	}
	o.Filter.ExceptRepositories = true
	if o.Glob() != "" {
		t.Errorf("of all but some, the glob is %q", o.Glob())
	}
	for tag, want := range map[string]digest.Digest{
		"sha256-" + hex + ".sig": digest.Digest("sha256:" + hex), "sha256-" + hex: digest.Digest("sha256:" + hex), "v1": "",
	} {
		if got, ok := SubjectOf(tag); got != want || ok != (want != "") {
			t.Errorf("%s is of %q", tag, got)
		}
	}
}

// source has manifests and blobs by their digests.
type source map[digest.Digest]distribution.Manifest

func (s source) Resolve(_ context.Context, ref string) (distribution.Manifest, error) {
	m, ok := s[digest.Digest(ref)]
	if !ok {
		return m, errdefs.Errorf(errdefs.ErrNotFound, "no %s", ref)
	}
	return m, nil
}

func (s source) Referrers(context.Context, digest.Digest) ([]ocispec.Descriptor, error) {
	return nil, nil
}

type body []byte

func (b body) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(string(b)).ReadAt(p, off)
}
func (b body) Size() int64  { return int64(len(b)) }
func (b body) Close() error { return nil }

func (s source) Open(_ context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	m, ok := s[desc.Digest]
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no %s", desc.Digest)
	}
	return body(m.Body), nil
}

// image is one with this config, annotations and artifact type.
func (s source) image(t *testing.T, config, configType string, change func(*ocispec.Manifest)) distribution.Manifest {
	t.Helper()
	desc := distributiontest.Blob(configType, []byte(config))
	s[desc.Digest] = distribution.Manifest{Descriptor: desc, Body: []byte(config)}
	doc := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: desc,
		Layers: []ocispec.Descriptor{desc},
	}
	change(&doc)
	m := distributiontest.NewManifest(t, doc)
	s[m.Descriptor.Digest] = m
	return m
}

func TestTakes(t *testing.T) {
	t.Parallel()
	all := source{}
	plain := func(*ocispec.Manifest) {}
	image := all.image(t, `{"config":{"Labels":{"tier":"front","empty":""}}}`, ocispec.MediaTypeImageConfig, func(m *ocispec.Manifest) {
		m.Annotations = map[string]string{"org.example/stage": "prod"}
	})
	chart := all.image(t, `{"name":"web"}`, "application/vnd.cncf.helm.config.v1+json", plain)
	odd := all.image(t, `not JSON`, "application/octet-stream", plain)
	sbom := all.image(t, `{}`, ocispec.MediaTypeEmptyJSON, func(m *ocispec.Manifest) { m.ArtifactType = "application/spdx+json" })
	lost := all.image(t, `{"lost":1}`, ocispec.MediaTypeImageConfig, plain)
	index := distributiontest.Index(t, image.Descriptor)
	without := maps.Clone(all)
	delete(without, distributiontest.Blob("", []byte(`{"lost":1}`)).Digest)
	for _, tc := range []struct {
		name string
		m    distribution.Manifest
		o    Options
		want bool
	}{
		{"no filter", odd, Options{}, true},
		{"a label", image, Options{Labels: []string{"tier=front"}}, true},
		{"a label like", image, Options{Labels: []string{"t*=f*t"}}, true},
		{"a label's name", image, Options{Labels: []string{"empty"}}, true},
		{"an annotation", image, Options{Labels: []string{"org.example/*=prod"}}, true},
		{"both", image, Options{Labels: []string{"org.example/stage=prod", "tier=front"}}, true},
		{"one of both", image, Options{Labels: []string{"org.example/stage=prod", "tier=back"}}, false},
		{"another label", image, Options{Labels: []string{"tier=back"}}, false},
		{"of an index", index, Options{Labels: []string{"tier=front"}}, true},
		{"of an index, another", index, Options{Labels: []string{"tier=back"}}, false},
		{"of what has none", odd, Options{Labels: []string{"tier"}}, false},
		{"a type of config", chart, Options{MediaTypes: []string{"application/vnd.cncf.helm.*"}}, true},
		{"one of two types", chart, Options{MediaTypes: []string{"x/y", "application/vnd.cncf.helm.*"}}, true},
		{"another type", image, Options{MediaTypes: []string{"application/vnd.cncf.helm.*"}}, false},
		{"an artifact type", sbom, Options{MediaTypes: []string{"application/spdx+json"}}, true},
		{"a type of manifest", image, Options{MediaTypes: []string{ocispec.MediaTypeImageManifest}}, true},
		{"an index", index, Options{MediaTypes: []string{ocispec.MediaTypeImageIndex}}, true},
		{"the images of an index", index, Options{MediaTypes: []string{ocispec.MediaTypeImageConfig}}, true},
		{"a type and a label", image, Options{MediaTypes: []string{"**"}, Labels: []string{"tier=back"}}, false},
	} {
		got, err := tc.o.Takes(t.Context(), without, tc.m)
		if err != nil || got != tc.want {
			t.Errorf("%s: %v (%v), want %v", tc.name, got, err, tc.want)
		}
	}
	for glob, want := range map[string]bool{
		"stable": true, "st*": true, "to be kept=yes": true, "[new]": true, "other": false, "stable=x": false,
	} {
		o := Options{Labels: []string{glob, "tier=front"}}
		if got, err := o.Takes(t.Context(), without, image, "stable", "to be kept=yes", "[new]"); err != nil || got != want {
			t.Errorf("of people's labels, %s: %v (%v)", glob, got, err)
		}
		o.Labels = o.Labels[:1]
		if got, err := o.Takes(t.Context(), without, index, "stable", "to be kept=yes", "[new]"); err != nil || got != want {
			t.Errorf("of people's labels on an index, %s: %v (%v)", glob, got, err)
		}
	}
	if _, err := (Options{Labels: []string{"a"}}).Takes(t.Context(), without, lost); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a config that is lost: %v", err)
	}
}
