package dockerfile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const outlined = `# VERSION of the base
ARG VERSION=1
# build compiles it
FROM base:$VERSION AS build
# FLAGS of the compiler
ARG FLAGS="-O2"
ARG TARGETARCH
RUN --mount=type=secret,id=token,required=true --mount=type=cache,target=/root/.cache make
RUN --mount=type=ssh --mount=type=secret,target=/run/other git clone x
FROM base AS unrelated
ARG NEVER
# not about the stage
FROM --platform=linux/arm64 scratch
COPY --from=build /out /
`

func TestDescribe(t *testing.T) {
	t.Parallel()
	opt := testOptions()
	opt.BuildArgs = map[string]string{"FLAGS": "-g"}
	opt.Resolve = nil // no image is asked for
	stages, o, err := Describe(t.Context(), []byte(outlined), opt)
	if err != nil {
		t.Fatal(err)
	}
	wantStages := []Stage{
		{Name: "build", Description: "compiles it", Base: "base:$VERSION"},
		{Name: "unrelated", Base: "base"},
		{Default: true, Base: "scratch", Platform: "linux/arm64"},
	}
	if diff := cmp.Diff(wantStages, stages, cmpopts.IgnoreFields(Stage{}, "Location")); diff != "" {
		t.Error(diff)
	}
	want := Outline{
		Args: []OutlineArg{
			{Name: "VERSION", Value: "1", Description: "of the base"},
			{Name: "FLAGS", Value: "-g", Description: "of the compiler"},
			{Name: "TARGETARCH", Value: "amd64"},
		},
		Secrets: []OutlineUse{{Name: "token", Required: true}, {Name: "other"}}, SSH: []OutlineUse{{Name: "default"}},
		Cache: []OutlineUse{{Name: "/root/.cache"}},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
	opt.Target = "build"
	if _, o, err := Describe(t.Context(), []byte(outlined), opt); err != nil || o.Name != "build" || o.Description != "compiles it" {
		t.Errorf("%+v %v", o, err)
	}
	opt.Target = "none"
	if _, _, err := Describe(t.Context(), []byte(outlined), opt); err == nil {
		t.Error("a stage that is not there is described")
	}
}
