package frontend

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"

	"cove/engine/builds"
	"cove/errdefs"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	r, err := NewRequest("dockerfile.v0", map[string]string{
		"target": "last", "filename": "sub/Dockerfile", "build-arg:A": "1", "label:l": "v", "no-cache": "one,two",
		"platform": "linux/amd64,linux/arm64", "image-resolve-mode": "pull", "force-network-mode": "host",
		"add-hosts": "a=10.0.0.1,b=::1", "shm-size": "67108864", "ulimit": "nofile=10:20,core=0", "memory": "1048576",
		"cgroup-parent": "/p", "cache-imports": `[{"Type":"registry","Attrs":{"ref":"reg/c"}}]`, "context:more": "local:more",
		"attest:provenance": "disabled=true", "vcs:revision": "abc", "sharedkey:localdir:context": "k", "frontend.caps": "x",
	}, []*gateway.CacheOptionsEntry{{Type: "registry", Attrs: map[string]string{"ref": "reg/d"}}})
	if err != nil {
		t.Fatal(err)
	}
	o := r.Options
	if o.Target != "last" || r.File != "sub/Dockerfile" || o.BuildArgs["A"] != "1" || o.Labels["l"] != "v" || o.NoCache ||
		!slices.Equal(o.NoCacheFilter, []string{"one", "two"}) || len(o.Platforms) != 2 || !o.Pull || o.Network != "host" ||
		o.CgroupParent != "/p" || r.Named["more"] != "local:more" || r.ContextDir != "context" {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]builds.Host{{Name: "a", IP: "10.0.0.1"}, {Name: "b", IP: "::1"}}, o.Hosts); diff != "" {
		t.Error(diff)
	}
	if o.Resources.ShmSize != 64<<20 || o.Resources.Memory != 1<<20 || len(o.Resources.Ulimits) != 2 || o.Resources.Ulimits[0].Hard != 20 {
		t.Errorf("%+v", o.Resources)
	}
	if len(o.CacheFrom) != 2 || o.CacheFrom[0].Ref != "reg/c" || o.CacheFrom[1].Ref != "reg/d" {
		t.Errorf("caches: %+v", o.CacheFrom)
	}
	if all, err := NewRequest("gateway.v0", map[string]string{"source": "docker/dockerfile:1.7@sha256:00", "no-cache": ""}, nil); err != nil || !all.Options.NoCache {
		t.Errorf("the frontend for Dockerfiles by its image: %v", err)
	}
}

// TestRefusedOptions: nothing is overlooked.
func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	for key, tc := range map[string]struct {
		value, want string
	}{
		"attest:sbom":      {"generator=x", "option attest:sbom=generator=x: generator=x: the scanner is built in"},
		"multi-platform":   {"true", "of several platforms"},
		"hostname":         {"h", "option hostname=h: this option is not supported"},
		"memory":           {"0", "want a number of 1 or more"},
		"shm-size":         {"64m", "want a number"},
		"ulimit":           {"nofile", "nofile"},
		"add-hosts":        {"a", "want NAME:IP"},
		"cache-imports":    {`[{"Type":"gha"}]`, "type=gha"},
		"platform":         {"a/b/c/d", "a/b/c/d"},
		"input-metadata:x": {"{}", "only Dockerfiles are built here"},
	} {
		_, err := NewRequest("dockerfile.v0", map[string]string{key: tc.value}, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s=%s: %v, want %q", key, tc.value, err, tc.want)
		}
	}
	if _, err := NewRequest("other.v0", nil, nil); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("another frontend: %v", err)
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	r := &Request{}
	err := r.Complete(&control.SolveRequest{
		Entitlements: []string{"network.host"},
		Exporters: []*control.Exporter{
			{Type: "moby", Attrs: map[string]string{
				"name": "a,b", "push": "true", "annotation.k": "v", "compression": "zstd", "compression-level": "3", "prefer-image-digest": "true",
			}},
			{Type: "local", Attrs: map[string]string{"platform-split": "false"}},
			{Type: "oci"},
		},
		Cache: &control.CacheOptions{
			Imports: []*control.CacheOptionsEntry{{Type: "registry", Attrs: map[string]string{"ref": "reg/c"}}},
			Exports: []*control.CacheOptionsEntry{{Type: "registry", Attrs: map[string]string{"ref": "reg/d", "mode": "max", "image-manifest": "true", "oci-mediatypes": "true", "ignore-error": "1"}}, {Type: "inline"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	temp, sent := t.TempDir(), ""
	send := func(exporter int, names string, _ func(io.Writer) error) error {
		sent = string(rune('0'+exporter)) + names
		return nil
	}
	if err := r.Outputs(send, temp); err != nil {
		t.Fatal(err)
	}
	out := r.Options.Outputs
	if len(out) != 3 || out[0].Type != builds.Image || !slices.Equal(out[0].Names, []string{"a", "b"}) || !out[0].Push ||
		len(out[0].Annotations) != 1 || out[0].Packing.Compression != "zstd" || *out[0].Packing.Level != 3 {
		t.Errorf("%+v", out)
	}
	if out[1].Dest != filepath.Join(temp, "output-1") || *out[1].Split {
		t.Errorf("local: %+v", out[1])
	}
	if _, err := os.Stat(out[1].Dest); err != nil {
		t.Error(err)
	}
	if err := out[2].Write(nil); err != nil || sent != "2" {
		t.Errorf("%q %v", sent, err)
	}
	if len(r.Options.CacheTo) != 2 || !r.Options.CacheTo[0].Max || !r.Options.CacheTo[0].IgnoreError || r.Options.CacheTo[1].Type != builds.CacheInline || len(r.Options.Allow) != 1 {
		t.Errorf("%+v", r.Options)
	}
	nothing := &Request{}
	if err := nothing.Outputs(send, temp); err != nil || nothing.Options.Outputs[0].Type != builds.CacheOnly {
		t.Errorf("without exporters: %+v %v", nothing.Options.Outputs, err)
	}
	for _, bad := range []*control.Exporter{
		{Type: "gha"},
		{Type: "local", Attrs: map[string]string{"push-by-digest": "true"}},
		{Type: "oci", Attrs: map[string]string{"tar": "false"}},
		{Type: "moby", Attrs: map[string]string{"push": "perhaps"}},
		{Type: "moby", Attrs: map[string]string{"nonsense": "1"}},
	} {
		r := &Request{Exporters: []*control.Exporter{bad}}
		if err := r.Outputs(send, t.TempDir()); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
	for _, bad := range []*control.CacheOptionsEntry{
		{Type: "gha"},
		{Type: "local"},
		{Type: "registry"},
		{Type: "inline", Attrs: map[string]string{"x": "y"}},
		{Type: "registry", Attrs: map[string]string{"ref": "r", "mode": "all"}},
		{Type: "registry", Attrs: map[string]string{"ref": "r", "image-manifest": "false"}},
	} {
		if err := new(Request).Complete(&control.SolveRequest{Cache: &control.CacheOptions{Exports: []*control.CacheOptionsEntry{bad}}}); err == nil {
			t.Errorf("cache %v is accepted", bad)
		}
	}
}
