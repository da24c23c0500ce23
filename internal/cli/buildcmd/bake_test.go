package buildcmd

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/builds"
	"cove/internal/bakefile"
	"cove/internal/bakefile/definition"
	_ "cove/internal/bakefile/late/linked"
	"cove/internal/cli/app"
)

// planOf resolves the default of a bake file's text.
func planOf(t *testing.T, f *bakeFlags, text string) *definition.Plan {
	t.Helper()
	env, err := f.environment()
	if err != nil {
		t.Fatal(err)
	}
	d, err := bakefile.Parse([]definition.File{{Name: "docker-bake.hcl", Data: []byte(text)}}, env)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.resolve(d, nil, env)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestTargetsBecomeFlags: what a target says is what the flags of build would say.
func TestTargetsBecomeFlags(t *testing.T) {
	f := &bakeFlags{call: "build", progress: "plain", explain: true}
	plan := planOf(t, f, `
target "default" {
  context = "cwd://src"
  dockerfile = "D"
  args = { A = "1", B = null }
  labels = { l = "v" }
  tags = ["app:1"]
  annotations = ["k=v"]
  target = "t"
  platforms = ["linux/arm64"]
  output = [{ type = "local", dest = "out" }]
  cache-from = ["user/cache"]
  cache-to = ["type=inline"]
  secret = ["id=s,src=f"]
  ssh = ["default"]
  contexts = { c = "target:other", d = "cwd://dir" }
  no-cache = true
  pull = true
  no-cache-filter = ["x"]
  network = "none"
  shm-size = "1m"
  ulimits = ["nofile=5:6"]
  entitlements = ["security.insecure"]
  extra-hosts = { h = "10.0.0.1" }
}
target "other" {
  context = "https://example.com/x.git"
  dockerfile = "sub/Dockerfile"
}
`)
	got := f.flagsOf(plan.Targets["default"])
	limits, err := got.run.Parse()
	if err != nil {
		t.Fatal(err)
	}
	if len(limits.AddHosts) != 1 || limits.AddHosts[0].Name != "h" || limits.Resources.ShmSize != 1<<20 {
		t.Errorf("limits are %+v", limits)
	}
	slices.Sort(got.contexts)
	for what, pair := range map[string][2]any{
		"file":       {"src/D", got.file},
		"args":       {[]string{"A=1"}, got.buildArgs},
		"labels":     {[]string{"l=v"}, got.labels},
		"tags":       {[]string{"app:1"}, got.tags},
		"target":     {"t", got.target},
		"outputs":    {[]string{"type=local,dest=out"}, got.outputs},
		"cache from": {[]string{"type=registry,ref=user/cache"}, got.cacheFrom},
		"cache to":   {[]string{"type=inline"}, got.cacheTo},
		"secrets":    {[]string{"id=s,src=f"}, got.secrets},
		"ssh":        {[]string{"default"}, got.ssh},
		"contexts":   {[]string{"c=target:other", "d=dir"}, got.contexts},
		"allow":      {[]string{"security.insecure"}, got.allow},
		"network":    {"none", got.network},
		"filter":     {[]string{"x"}, got.noCacheFilter},
		"switches":   {[]bool{true, true, true, true}, []bool{got.noCache, got.pull, got.explain, got.baking}},
		"progress":   {"plain", got.progress},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	if remote := f.flagsOf(plan.Targets["other"]); remote.file != "sub/Dockerfile" {
		t.Errorf("the Dockerfile of a repository is %s", remote.file)
	}
}

// TestWhatBakeAllows: a file cannot have what its caller did not allow.
func TestWhatBakeAllows(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Symlink("/etc", "link"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target string
		allow  []string
		want   string // "" for allowed
	}{
		{`context = "."`, nil, ""},
		{`context = "below/it"`, nil, ""},
		{`context = "https://example.com/x.git"`, nil, ""},
		{`context = "../above"`, nil, "--allow fs.read=../above"},
		{`context = "../above"`, []string{"fs.read=.."}, ""},
		{`context = "../above"`, []string{"fs=*"}, ""},
		{`context = "../above"`, []string{"fs.write=.."}, "--allow fs.read=../above"},
		{`context = "link"`, nil, "--allow fs.read=link"},
		{`secret = ["id=s,src=link/passwd"]`, nil, "--allow fs.read=link/passwd"},
		{`output = ["/elsewhere"]`, nil, "--allow fs.write=/elsewhere"},
		{`output = ["/elsewhere/deep"]`, []string{"fs.write=/elsewhere"}, ""},
		{`network = "host"`, nil, "--allow network.host"},
		{`network = "host"`, []string{"network.host"}, ""},
		{`entitlements = ["security.insecure"]`, []string{"network.host"}, "--allow security.insecure"},
		{`tags = ["x"]`, []string{"nonsense"}, "want network.host"},
	} {
		plan := planOf(t, &bakeFlags{call: "build"}, "target \"default\" {\n"+c.target+"\n}")
		err := checkAllowed(plan, c.allow)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s with --allow %v: %v, want %q", c.target, c.allow, err, c.want)
		}
	}
	t.Setenv("BUILDX_BAKE_ENTITLEMENTS_FS", "0")
	if err := checkAllowed(planOf(t, &bakeFlags{call: "build"}, "target \"default\" {\ncontext = \"..\"\n}"), nil); err != nil {
		t.Errorf("paths are checked although they are not to be: %v", err)
	}
}

// TestBakeFiles: which are read, and what is listed of them.
func TestBakeFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	a := &app.App{Out: &out, Err: &out, In: strings.NewReader("target \"stdin\" {}")}
	list := func(f bakeFlags) string {
		t.Helper()
		out.Reset()
		env, err := f.environment()
		if err != nil {
			t.Fatal(err)
		}
		d, err := f.read(a, nil, env)
		if err != nil {
			return err.Error()
		}
		if err := f.listing(a, d); err != nil {
			return err.Error()
		}
		return out.String()
	}
	if got := list(bakeFlags{list: "targets"}); !strings.Contains(got, "no bake file here") {
		t.Error(got)
	}
	write("docker-bake.hcl", "variable \"V\" {\n default = 1\n description = \"d\"\n}\ntarget \"hcl\" {}")
	write("compose.yaml", "services:\n  yaml:\n    build: .\n")
	write("other.hcl", "target \"other\" {}")
	for _, c := range []struct {
		flags bakeFlags
		want  []string
	}{
		{bakeFlags{list: "targets"}, []string{"hcl", "yaml", "default"}},
		{bakeFlags{list: "targets", files: []string{"other.hcl"}}, []string{"other"}},
		{bakeFlags{list: "targets", files: []string{"-"}}, []string{"stdin"}},
		{bakeFlags{list: "type=targets,format=json"}, []string{`"hcl"`}},
		{bakeFlags{list: "variables"}, []string{"V", "1", "d"}},
		{bakeFlags{list: "nonsense"}, []string{"want targets or variables"}},
		{bakeFlags{list: "type=targets,nonsense=1"}, []string{"want targets, variables"}},
		{bakeFlags{list: "targets", files: []string{"none.hcl"}}, []string{"none.hcl"}},
	} {
		got := list(c.flags)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%+v: no %s in %s", c.flags, want, got)
			}
		}
	}
	t.Setenv("BUILDX_BAKE_FILE", "other.hcl"+string(filepath.ListSeparator)+"docker-bake.hcl")
	if got := list(bakeFlags{list: "targets"}); !strings.Contains(got, "other") || !strings.Contains(got, "hcl") {
		t.Error(got)
	}
	if _, err := (&bakeFlags{vars: []string{"nonsense"}}).environment(); err == nil {
		t.Error("--var nonsense is accepted")
	}
	if _, err := (&bakeFlags{}).read(a, []string{"https://example.com/x.git"}, definition.Environment{}); err == nil {
		t.Error("a repository is accepted")
	}
}

// TestBakeReport: each target has its line and its part of the metadata; one that makes
// no image has neither id nor name.
func TestBakeReport(t *testing.T) {
	meta := filepath.Join(t.TempDir(), "meta.json")
	f := &bakeFlags{call: "build", metadata: meta}
	plan := planOf(t, f, `
group "default" { targets = ["app", "files"] }
target "app" {}
target "files" {}
`)
	image := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("m"), Size: 1}
	results := []*builds.Result{
		{Exported: []builds.Exported{{
			Target: image, Config: digest.FromString("c"), Names: []string{"docker.io/library/app:1"},
		}}},
		{Exported: []builds.Exported{{}}},
	}
	var out, errOut bytes.Buffer
	a := &app.App{Out: &out, Err: &errOut}
	if err := f.report(a, plan, []*buildFlags{{}, {}}, results); err != nil {
		t.Fatal(err)
	}
	want := "app: Successfully built " + digest.FromString("c").Encoded()[:12] + "\napp: Successfully tagged app:1\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"app": {`, `"containerimage.digest": "` + image.Digest.String(), `"files": {}`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
}

// TestBakeShowsMistakes: a mistake in a file is shown with the lines around it.
func TestBakeShowsMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("docker-bake.hcl", []byte("target \"default\" {\n  tags = [NOPE]\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	cmd := Bake(&app.App{Prog: "build", Out: &out, Err: &errOut, In: strings.NewReader("")})
	cmd.SetArgs([]string{"--print"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "docker-bake.hcl:2: Unknown variable") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(errOut.String(), ">>>   tags = [NOPE]") {
		t.Errorf("shown is %s", errOut.String())
	}
}
