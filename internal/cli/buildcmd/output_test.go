package buildcmd

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/builder/export"
	"cove/engine/builds"
	"cove/engine/builds/output"
	"cove/internal/cli/app"
)

func TestOutputFlag(t *testing.T) {
	t.Parallel()
	yes := true
	for text, want := range map[string]builds.Output{
		"out":                      {Type: builds.Local, Dest: "out"},
		"./a=b":                    {Type: builds.Local, Dest: "./a=b"},
		"type=local,dest=out":      {Type: builds.Local, Dest: "out"},
		"type=image,push=true":     {Type: builds.Image, Push: true},
		"dest=x.tar,type=tar":      {Type: builds.Tar, Dest: "x.tar"},
		"type=docker":              {Type: builds.Image},
		"type=docker,dest=x.tar":   {Type: builds.Docker, Dest: "x.tar"},
		"type=registry,store=true": {Type: builds.Registry, Push: true},
		`type=image,"name=a:1,b:2",oci-mediatypes=true`: {Type: builds.Image, Names: []string{"a:1", "b:2"}},
		"type=registry,push-by-digest=true":             {Type: builds.Registry, Push: true, ByDigest: true},
		"type=local,dest=o,platform-split=true":         {Type: builds.Local, Dest: "o", Split: &yes},
		"type=oci,dest=x,annotation.a=b,annotation-index.c=d,annotation-manifest[linux/arm64].e.f=g": {
			Type: builds.OCI, Dest: "x", Annotations: export.Annotations{
				{Level: export.Manifest, Key: "a", Value: "b"},
				{Level: export.Index, Key: "c", Value: "d"},
				{Level: export.Manifest, Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}, Key: "e.f", Value: "g"},
			},
		},
	} {
		got, err := parseOutput(text)
		if diff := cmp.Diff(want, got.Output); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"type=":                "want image, registry",
		"type=zip":             "want image, registry",
		"type=local":           "needs dest",
		"type=local,dest=-":    "use type=tar",
		"type=oci,tar=false":   "needs dest",
		"type=oci,tar=perhaps": "want true or false",
		"type=image,dest=x":    "takes no dest",
		"type=tar,name=x":      "takes no name",
		"type=image,push":      "KEY=VALUE",
		`type=image,"name=a`:   "quote",
	} {
		if _, err := parseOutput(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

// TestOutputsTogether: --push and --load are outputs like the others, and
// one of them may write to standard output.
func TestOutputsTogether(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		flags buildFlags
		types []output.Type
		err   string
	}{
		{buildFlags{}, []output.Type{builds.Image}, ""},
		{buildFlags{push: true, load: true}, []output.Type{builds.Registry}, ""},
		{buildFlags{outputs: []string{"out", "type=oci"}, load: true}, []output.Type{builds.Local, builds.OCI, builds.Image}, ""},
		{buildFlags{outputs: []string{"-", "type=oci"}}, nil, "only one output"},
		{buildFlags{outputs: []string{"out"}, annotations: []string{"a=b"}}, nil, "no image is made"},
		{buildFlags{annotations: []string{"layer:a=b"}}, nil, "--annotation"},
	} {
		var o builds.Options
		err := tc.flags.readOutputs(&app.App{Out: io.Discard}, &o)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%+v: got %v, want an error with %q", tc.flags, err, tc.err)
			}
			continue
		}
		var types []output.Type
		for _, out := range o.Outputs {
			types = append(types, out.Type)
		}
		if diff := cmp.Diff(tc.types, types); err != nil || diff != "" {
			t.Errorf("%+v: %v %s", tc.flags, err, diff)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id, target := digest.FromString("config"), digest.FromString("manifest")
	result := &builder.Result{Exported: []export.Exported{{}, {
		Target: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: target, Size: 3},
		Config: id, Names: []string{"docker.io/library/app:v1", "example.com/app:v2"},
	}}}
	var out bytes.Buffer
	f := buildFlags{iidfile: filepath.Join(dir, "id"), metadata: filepath.Join(dir, "meta")}
	if err := f.report(&app.App{Out: &out, Err: io.Discard}, result); err != nil {
		t.Fatal(err)
	}
	want := "Successfully built " + id.Encoded()[:12] + "\nSuccessfully tagged app:v1\nSuccessfully tagged example.com/app:v2\n"
	if out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
	if got, err := os.ReadFile(f.iidfile); err != nil || string(got) != id.String() {
		t.Errorf("--iidfile: %q %v", got, err)
	}
	text, err := os.ReadFile(f.metadata)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{
		"containerimage.config.digest": id.String(), "containerimage.digest": target.String(),
		"image.name": "docker.io/library/app:v1,example.com/app:v2",
	}
	if diff := cmp.Diff(keys, got, cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "containerimage.descriptor" })); diff != "" {
		t.Errorf("--metadata-file: %s", diff)
	}
	out.Reset()
	f = buildFlags{toStdout: true}
	if err := f.report(&app.App{Out: &out, Err: io.Discard}, result); err != nil || out.Len() > 0 {
		t.Errorf("beside an archive on standard output: %q %v", out.String(), err)
	}
	f = buildFlags{iidfile: filepath.Join(dir, "none")}
	if err := f.report(&app.App{Out: &out, Err: io.Discard}, &builder.Result{Exported: []export.Exported{{}}}); err == nil {
		t.Error("--iidfile without an image is accepted")
	}
}
