package dockerfile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cove/builder/subrequest"
)

// outlineOf is what a target can be given, a line for each thing.
func outlineOf(t *testing.T, src string, change func(*Options)) string {
	t.Helper()
	opt := testOptions()
	opt.Check, opt.Outline = true, &subrequest.Outline{}
	if change != nil {
		change(&opt)
	}
	if _, err := Plan(t.Context(), []byte(src), opt); err != nil {
		t.Fatal(err)
	}
	o := opt.Outline
	lines := []string{o.Name + ": " + o.Description}
	for _, a := range o.Args {
		lines = append(lines, fmt.Sprintf("%d %s=%s %s", a.Location.Ranges[0].Start.Line, a.Name, a.Value, a.Description))
	}
	for kind, all := range map[string][]subrequest.Need{"secret": o.Secrets, "ssh": o.SSH} {
		for _, n := range all {
			lines = append(lines, fmt.Sprintf("%d %s %s %v", n.Location.Ranges[0].Start.Line, kind, n.Name, n.Required))
		}
	}
	return strings.Join(lines, "\n")
}

// TestOutline has the cases of BuildKit's own tests: arguments that a default has in it,
// of the stages that the target needs and of no other, with what a comment says of them.
func TestOutline(t *testing.T) {
	t.Parallel()
	src := `
ARG inherited=se
ARG inherited2=2
ARG unused=${inherited2}
# sfx is a suffix
ARG sfx="a${inherited}"

FROM b${sfx} AS first
# this is not assigned to anything
ARG FOO=123
# BAR is a number
ARG BAR=456
RUN --mount=type=secret,id=npm --mount=type=secret,id=npm,required true

FROM base AS second
ARG unused
ARG BAZ
RUN true

FROM scratch AS third
ARG ABC=a
ARG plain

# target defines build target
FROM third AS target
COPY --from=first /etc/passwd /
RUN --mount=type=ssh,required true

FROM second
ARG inherited
`
	for target, want := range map[string]string{
		"target": `target: defines build target
2 inherited=se 
6 sfx=ase is a suffix
10 FOO=123 
12 BAR=678 is a number
21 ABC=a 
22 plain= 
13 secret npm false
27 ssh default true`,
		"": `: 
2 inherited=se 
3 inherited2=2 
4 unused=2 
17 BAZ= `,
	} {
		got := outlineOf(t, src, func(o *Options) {
			o.Target, o.BuildArgs = target, map[string]string{"BAR": "678"}
		})
		if sorted(got) != sorted(want) {
			t.Errorf("%s:\n%s\nwant\n%s", target, got, want)
		}
	}
	again := "ARG VAL=a\nARG FOO=b${VAL}\nARG FOO=${FOO}se\nFROM ${FOO} AS b\n"
	if got := outlineOf(t, again, nil); got != "b: \n1 VAL=a \n3 FOO=base " {
		t.Error(got)
	}
}

// sorted is text with its lines in an order of their own: kinds of needs have none.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestTargets(t *testing.T) {
	t.Parallel()
	list, err := Targets("D", []byte("# a is small\nFROM base AS a\nFROM --platform=$BUILDPLATFORM a\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := list.Targets[0], list.Targets[1]
	if len(list.Targets) != 2 || a.Name != "a" || a.Description != "is small" || a.Base != "base" || a.Default || a.Location.Ranges[0].Start.Line != 2 ||
		!b.Default || b.Base != "a" || b.Platform != "$BUILDPLATFORM" {
		t.Errorf("%+v", list)
	}
	if _, err := Targets("D", []byte("FROM\n")); err == nil {
		t.Error("a FROM without a name")
	}
}
