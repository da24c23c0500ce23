package bakefile

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
	"cove/internal/bakefile/definition"
	"cove/internal/bakefile/hclfile"
)

var update = flag.Bool("update", false, "write the golden files")

// testEnv has only the variables given.
func testEnv(t *testing.T, vars map[string]string) definition.Environment {
	t.Helper()
	return definition.Environment{
		Lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		Dir:    t.TempDir(), Platform: "linux/amd64",
	}
}

// TestGoldens resolves what each directory of testdata holds, as bake would that is
// called in it. What is expected is what buildx prints for the same files.
func TestGoldens(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var files []definition.File
			for _, name := range definition.DefaultNames {
				if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
					files = append(files, definition.File{Name: name, Data: data})
				}
			}
			d, err := Parse(files, testEnv(t, nil))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := d.Resolve(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := plan.JSON()
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(dir, "plan.golden")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Error(diff)
			}
			// It is a bake file itself, of the same meaning.
			if d, err = Parse([]definition.File{{Name: "plan.json", Data: got}}, testEnv(t, nil)); err != nil {
				t.Fatal(err)
			}
			if plan, err = d.Resolve(nil, nil); err != nil {
				t.Fatal(err)
			}
			if again, err := plan.JSON(); err != nil || !bytes.Equal(again, got) {
				t.Errorf("read again: %v: %s", err, cmp.Diff(string(got), string(again)))
			}
		})
	}
}

// TestPrintedIsReadAgain: what looks like an expression, and is none, is none in what is
// printed either (docker/compose#12662).
func TestPrintedIsReadAgain(t *testing.T) {
	t.Parallel()
	env := testEnv(t, nil)
	d, err := parse(t, env, `target "default" {
  args = { A = "$${V} %%{x} $$${y}" }
  dockerfile-inline = "FROM alpine:$${VERSION}"
}`)
	for range 2 {
		if err != nil {
			t.Fatal(err)
		}
		plan, err := d.Resolve(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := plan.Targets["default"]
		if *got.Args["A"] != "${V} %{x} $${y}" || *got.DockerfileInline != "FROM alpine:${VERSION}" {
			t.Errorf("%q, %q", *got.Args["A"], *got.DockerfileInline)
		}
		text, err := plan.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if d, err = Parse([]definition.File{{Name: "plan.json", Data: text}}, env); err != nil {
			t.Fatal(err)
		}
	}
}

func parse(t *testing.T, env definition.Environment, text string) (*definition.Definition, error) {
	t.Helper()
	return Parse([]definition.File{{Name: "docker-bake.hcl", Data: []byte(text)}}, env)
}

// argsOf resolves the target default and returns its build arguments.
func argsOf(t *testing.T, env definition.Environment, text string, set ...string) map[string]string {
	t.Helper()
	d, err := parse(t, env, text)
	if err != nil {
		t.Fatal(err)
	}
	var overrides []definition.Override
	for _, s := range set {
		o, ok, err := definition.ParseOverride(s, env)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			overrides = append(overrides, o)
		}
	}
	plan, err := d.Resolve(nil, overrides)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range plan.Targets["default"].Args {
		out[k] = *v
	}
	return out
}

// TestVariables: what the environment says goes before the file, in the type of the
// variable, and what the command line says before both.
func TestVariables(t *testing.T) {
	const text = `
attr = "not a variable"
variable "WORD" { default = "file" }
variable "NUMBER" { default = 1 }
variable "SWITCH" { default = false }
variable "LIST" {
  type    = list(string)
  default = ["x"]
}
variable "OBJECT" {
  type    = map(number)
  default = { a = 1 }
}
variable "NOTHING" { default = null }
target "default" {
  args = {
    WORD = WORD, NUMBER = NUMBER + 1, SWITCH = SWITCH ? "on" : "off", LIST = join("+", LIST), OBJECT = OBJECT.a,
    NOTHING = NOTHING, ATTR = attr, PLATFORM = BAKE_LOCAL_PLATFORM
  }
}`
	want := map[string]string{
		"WORD": "file", "NUMBER": "2", "SWITCH": "off", "LIST": "x", "OBJECT": "1", "ATTR": "not a variable",
		"PLATFORM": "linux/amd64",
	}
	if diff := cmp.Diff(want, argsOf(t, testEnv(t, nil), text)); diff != "" {
		t.Error(diff)
	}
	env := testEnv(t, map[string]string{
		"WORD": "env", "NUMBER": "41", "SWITCH": "true", "LIST": "p,q", "OBJECT_JSON": `{"a": 7}`, "attr": "ignored",
	})
	env.Vars = map[string]string{"WORD": "flag"}
	want = map[string]string{
		"WORD": "flag", "NUMBER": "42", "SWITCH": "on", "LIST": "p+q", "OBJECT": "7", "ATTR": "not a variable",
		"PLATFORM": "linux/amd64",
	}
	if diff := cmp.Diff(want, argsOf(t, env, text)); diff != "" {
		t.Error(diff)
	}
}

// TestFunctions calls what buildx has and the standard library of HCL has not.
func TestFunctions(t *testing.T) {
	for call, want := range map[string]string{
		`basename("/a/b.txt")`:                                  "b.txt",
		`dirname("/a/b.txt")`:                                   "/a",
		`sanitize("a/b:c.d")`:                                   "a_b_c_d",
		`indexof(["a", "b"], "b")`:                              "1",
		`semvercmp("1.2.3", ">= 1.0, < 2")`:                     "true",
		`formattimestamp("YYYY-MM-DD", 1700000000)`:             "2023-11-14",
		`formattimestamp("X", "2020-01-01T00:00:00Z")`:          "1577836800",
		`unixtimestampparse(1700000000).rfc3339`:                "2023-11-14T22:13:20Z",
		`sha256("x")`:                                           "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
		`cidrhost("10.0.0.0/8", 1)`:                             "10.0.0.1",
		`base64encode("x")`:                                     "eA==",
		`can(nothing)`:                                          "false",
		`try(nothing, "else")`:                                  "else",
		`convert("5", number)`:                                  "5",
		`format("%s-%02d", "a", 3)`:                             "a-03",
		`jsondecode("{\"a\":[1,2]}").a[1]`:                      "2",
		`regex_replace("a1b2", "[0-9]", "")`:                    "ab",
		`formatdate("YYYY", timestamp()) >= "2020" ? "y" : "n"`: "",
	} {
		if want == "" {
			continue // needs a number; timestamp() is called below
		}
		got := argsOf(t, testEnv(t, nil), "target \"default\" {\n args = { A = "+call+" }\n}")
		if got["A"] != want {
			t.Errorf("%s = %q, want %q", call, got["A"], want)
		}
	}
	for _, call := range []string{"timestamp()", "uuidv4()", "homedir()", `bcrypt("x")`} {
		if got := argsOf(t, testEnv(t, nil), "target \"default\" {\n args = { A = "+call+" }\n}"); got["A"] == "" {
			t.Errorf("%s is empty", call)
		}
	}
}

// TestSet: every key that can be changed.
func TestSet(t *testing.T) {
	env := testEnv(t, map[string]string{"FROM_HERE": "env"})
	d, err := parse(t, env, `
target "default" {
  tags = ["old"]
  output = ["type=image"]
}
target "other" {}
`)
	if err != nil {
		t.Fatal(err)
	}
	var overrides []definition.Override
	for _, s := range []string{
		"*.tags=a", "*.tags=b", "default.args.X=1", "default.args.FROM_HERE", "default.args.NOT_HERE", "default.contexts.c=dir",
		"default.labels.l=v", "default.platform=linux/arm64", "default.no-cache=true", "default.pull=1",
		"default.target=t", "default.network=none", "default.cache-from=user/app", "default.cache-to=type=inline",
		"default.secrets=id=s,src=f", "default.ssh=default", "default.push=true", "other.load=true",
		"default.dockerfile=D", "default.context=./c", "default.call=check", "default.ulimits=nofile=1",
		"default.shm-size=1m", "default.no-cache-filter=x", "default.annotations=k=v", "default.attest=type=sbom",
		"default.entitlements=network.host",
	} {
		o, ok, err := definition.ParseOverride(s, env)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			overrides = append(overrides, o)
		}
	}
	plan, err := d.Resolve([]string{"default", "other"}, overrides)
	if err != nil {
		t.Fatal(err)
	}
	got, err := plan.JSON()
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(got)), "")
	for _, want := range []string{
		`"tags":["a","b"]`, `"args":{"FROM_HERE":"env","X":"1"}`, `"contexts":{"c":"dir"}`, `"labels":{"l":"v"}`,
		`"platforms":["linux/arm64"]`, `"no-cache":true`, `"pull":true`, `"target":"t"`, `"network":"none"`,
		`"cache-from":[{"ref":"user/app","type":"registry"}]`, `"cache-to":[{"type":"inline"}]`,
		`"secret":[{"id":"s","src":"f"}]`, `"ssh":[{"id":"default"}]`, `"output":[{"push":"true","type":"image"}]`,
		`"output":[{"type":"docker"}]`, `"dockerfile":"D"`, `"context":"./c"`, `"call":"check"`, `"ulimits":["nofile=1"]`,
		`"shm-size":"1m"`, `"no-cache-filter":["x"]`, `"annotations":["k=v"]`, `"attest":[{"type":"sbom"}]`,
		`"entitlements":["network.host"]`,
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// TestSetAdds: += adds to what the file and = say, in whatever order, once.
func TestSetAdds(t *testing.T) {
	env := testEnv(t, nil)
	d, err := parse(t, env, `
target "base" {
  tags = ["x:1"]
  platforms = ["linux/amd64"]
  cache-from = ["user/app"]
  secret = ["id=a,src=f"]
}
target "default" { inherits = ["base"] }
target "other" { tags = ["o:1"] }
`)
	if err != nil {
		t.Fatal(err)
	}
	var overrides []definition.Override
	for _, s := range []string{
		"*.tags+=y:2", "default.platform+=linux/arm64", "*.cache-from+=type=local,src=c", "default.secrets+=id=b,env=B",
		"other.tags+=z:3", "other.tags=n:1", "default.output+=type=tar,dest=x", "default.no-cache-filter+=s",
		"default.attest+=type=sbom",
	} {
		o, ok, err := definition.ParseOverride(s, env)
		if err != nil || !ok {
			t.Fatalf("%s: %v", s, err)
		}
		overrides = append(overrides, o)
	}
	plan, err := d.Resolve([]string{"default", "other"}, overrides)
	if err != nil {
		t.Fatal(err)
	}
	got, err := plan.JSON()
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(got)), "")
	for _, want := range []string{
		`"tags":["x:1","y:2"]`, `"tags":["n:1","y:2","z:3"]`, `"platforms":["linux/amd64","linux/arm64"]`,
		`"cache-from":[{"ref":"user/app","type":"registry"},{"src":"c","type":"local"}]`,
		`"cache-from":[{"src":"c","type":"local"}]`, `"secret":[{"id":"a","src":"f"},{"id":"b","env":"B"}]`,
		`"output":[{"dest":"x","type":"tar"}]`, `"no-cache-filter":["s"]`, `"attest":[{"type":"sbom"}]`,
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// TestMistakes: each is found, and says where it is or what there is.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`target "a" { foo = "x" }`:                                     "docker-bake.hcl:1: foo: a target has no such attribute",
		`target "a" { tags = "x" }`:                                    "tags: it must be a list",
		"\ntarget \"a\" {\n  tags = [nope]\n}":                         "docker-bake.hcl:3: Unknown variable",
		`variable "A" { default = A }`:                                 "refers to itself",
		`target "a.b" {}`:                                              "no name of a target",
		`target "a" { name = "b" }`:                                    "only goes with a matrix",
		"target \"a\" {\n name = \"b\"\n matrix = { x = [1, 2] }\n}":   "two targets called b",
		"target \"a\" {\n matrix = { x = \"y\" }\n}":                   "matrix: x must be a list",
		`group "default" { target = ["a"] }`:                           "docker-bake.hcl:1",
		`frame "a" {}`:                                                 `no "frame" blocks`,
		`group "default" { targets = ["nope"] }`:                       `there is no target "nope"`,
		`group "default" { targets = ["default"] }`:                    `group default has itself: default → default`,
		`target "default" { inherits = ["default"] }`:                  "inherits from itself: default → default",
		`target "default" { contexts = { a = "target:default" } }`:     "builds on itself: default → default",
		`target "default" { contexts = { a = "target:x" } }`:           `there is no target "x"; there are: default`,
		"function \"f\" {\n params = [n]\n result = f(n)\n}\nA = f(1)": "",
		"function \"f\" {\n params = [n]\n result = f(n)\n}\ntarget \"default\" {\n tags = [f(1)]\n}":         "calls itself too often",
		"variable \"A\" {\n default = 1\n validation {\n condition = A > 1\n error_message = \"more\"\n }\n}": "docker-bake.hcl:4: more",
		"variable \"A\" {\n type = number\n default = \"x\"\n}":                                               "not of its type",
	} {
		d, err := parse(t, testEnv(t, nil), text)
		if err == nil {
			_, err = d.Resolve(nil, nil)
		}
		if want == "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nends with %v, want %q", text, err, want)
		}
	}
	_, err := parse(t, testEnv(t, nil), "target {")
	if at := (*hclfile.SyntaxError)(nil); !errors.As(err, &at) || at.Line != 1 || !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a syntax error is %v", err)
	}
	for _, bad := range []string{"x", "a=b", ".tags=x", "a.tags"} {
		if _, _, err := definition.ParseOverride(bad, testEnv(t, nil)); err == nil {
			t.Errorf("--set %s is accepted", bad)
		}
	}
	d, err := parse(t, testEnv(t, nil), `target "default" {}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"nope.tags=x", "[.tags=x", "default.nope=x", "default.pull=maybe", "default.args=x", "default.target+=x", "default.args.A+=x", "default.nope+=x",
	} {
		o, _, err := definition.ParseOverride(bad, testEnv(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Resolve(nil, []definition.Override{o}); err == nil {
			t.Errorf("--set %s is accepted", bad)
		}
	}
}

// TestOrderAndPaths: targets come after those that they build on, and say what of
// this machine they read and write.
func TestOrderAndPaths(t *testing.T) {
	d, err := parse(t, testEnv(t, nil), `
target "a" {
  contexts = { b = "target:b", dir = "../dir", image = "docker-image://x", git = "https://h/x.git" }
  dockerfile = "/D"
  secret = ["id=s,src=/s"]
  cache-from = ["type=local,src=/c"]
  cache-to = ["type=local,dest=/d"]
  output = ["type=local,dest=/o", "type=tar,dest=-"]
}
target "b" { contexts = { c = "target:c" } }
target "c" {}
`)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := d.Resolve([]string{"a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"c", "b", "a"}, plan.Order()); diff != "" {
		t.Error(diff)
	}
	reads, writes := plan.Targets["a"].Paths()
	if diff := cmp.Diff([]string{".", "../dir", "/D", "/s", "/c"}, reads); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/o", "/d"}, writes); diff != "" {
		t.Error(diff)
	}
}
