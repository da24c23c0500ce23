package dockerfile

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// lintCase is a Dockerfile and what is said of it: "LINE: RULE: MESSAGE".
type lintCase struct {
	src  string
	want []string
	with func(*Options)
}

// lintCases has for each rule of BuildKit what it says of a bad Dockerfile; the
// good ones, which want nothing, are the same file mended.
var lintCases = map[string][]lintCase{
	"StageNameCasing": {
		{"FROM base AS BuilderBase\n", []string{"1: StageNameCasing: Stage name 'BuilderBase' should be lowercase"}, nil},
		{"FROM base AS builder-base\n", nil, nil},
	},
	"FromAsCasing": {
		{"FROM base as builder\n", []string{"1: FromAsCasing: 'as' and 'FROM' keywords' casing do not match"}, nil},
		{"from base AS builder\nrun x\n", []string{"1: FromAsCasing: 'AS' and 'from' keywords' casing do not match"}, nil},
		{"FROM base AS builder\n", nil, nil},
		{"from base as builder\n", nil, nil},
	},
	"NoEmptyContinuation": {
		{"FROM base\nRUN a \\\n\n  b\n", []string{"4: NoEmptyContinuation: Empty continuation line"}, nil},
		{"FROM base\nRUN a \\\n# a comment\n  b\n", nil, nil},
	},
	"ConsistentInstructionCasing": {
		{"FROM base\nRun a\n", []string{"2: ConsistentInstructionCasing: Command 'Run' should match the case of the command majority (uppercase)"}, nil},
		{"from base\nrun a\nRUN b\n", []string{"3: ConsistentInstructionCasing: Command 'RUN' should match the case of the command majority (lowercase)"}, nil},
		{"from base\nrun a\n", nil, nil},
	},
	"DuplicateStageName": {
		{"FROM base AS b\nFROM base AS b\n", []string{`2: DuplicateStageName: Duplicate stage name "b", stage names should be unique`}, nil},
		{"FROM base AS a\nFROM base AS b\n", nil, nil},
	},
	"ReservedStageName": {
		{"FROM base AS scratch\n", []string{`1: ReservedStageName: Stage name should not use the same name as reserved stage "scratch"`}, nil},
		{"FROM base AS context\n", []string{`1: ReservedStageName: Stage name should not use the same name as reserved stage "context"`}, nil},
		{"FROM base AS scratched\n", nil, nil},
	},
	"JSONArgsRecommended": {
		{"FROM base\nCMD echo x\n", []string{"2: JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"}, nil},
		{"FROM base\nENTRYPOINT echo x\n", []string{"2: JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals"}, nil},
		{"FROM base\nCMD [\"echo\"]\n", nil, nil},
		{"FROM base\nSHELL [\"/bin/bash\",\"-c\"]\nCMD echo x\n", nil, nil},
	},
	"MaintainerDeprecated": {
		{"FROM base\nMAINTAINER me\n", []string{"2: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"}, nil},
		{"FROM base\nLABEL org.opencontainers.image.authors=\"me\"\n", nil, nil},
	},
	"UndefinedArgInFrom": {
		{"FROM base${VARIANT}\n", []string{"1: UndefinedArgInFrom: FROM argument 'VARIANT' is not declared"}, nil},
		{"ARG VARIANTS=:one\nFROM base${VARIANT}\n", []string{"2: UndefinedArgInFrom: FROM argument 'VARIANT' is not declared (did you mean VARIANTS?)"}, nil},
		{"FROM --platform=linux/amd64$BUILDVARIAN base\n", []string{"1: UndefinedArgInFrom: FROM argument 'BUILDVARIAN' is not declared (did you mean BUILDVARIANT?)"}, nil},
		{"ARG VARIANT=:one\nFROM base${VARIANT}\n", nil, nil},
		{"ARG VARIANT\nFROM base${VARIANT}\n", nil, nil},
	},
	"WorkdirRelativePath": {
		{"FROM base\nWORKDIR a\nWORKDIR b\n", []string{`2: WorkdirRelativePath: Relative workdir "a" can have unexpected results if the base image changes`}, nil},
		{"FROM base\nWORKDIR /a\nWORKDIR b\n", nil, nil},
		{"FROM base AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n", nil, nil},
	},
	"UndefinedVar": {
		{"FROM base\nCOPY $foo .\n", []string{"2: UndefinedVar: Usage of undefined variable '$foo'"}, nil},
		{"FROM base\nENV DIR=/x\nWORKDIR $DIT/y\n", []string{"3: UndefinedVar: Usage of undefined variable '$DIT' (did you mean $DIR?)"}, nil},
		{"FROM base\nENV PATH=/a:$PAHT\n", []string{"2: UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"}, nil},
		{"FROM base\nARG foo\nCOPY $foo .\n", nil, nil},
		{"FROM base\nENV PATH=/a:$PATH\n", nil, nil},
		{"FROM base\nRUN echo $foo\n", nil, nil},
	},
	"MultipleInstructionsDisallowed": {
		{"FROM base\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\n", []string{"2: MultipleInstructionsDisallowed: Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used"}, nil},
		{
			"FROM base\nCMD [\"a\"]\nRUN x\nCMD [\"b\"]\nHEALTHCHECK CMD a\nHEALTHCHECK NONE\n",
			[]string{
				"2: MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used",
				"5: MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used",
			},
			nil,
		},
		{"FROM base AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n", nil, nil},
	},
	"LegacyKeyValueFormat": {
		{"FROM base\nENV DIR /x y\n", []string{`2: LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format`}, nil},
		{"FROM base\nLABEL a b\n", []string{`2: LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format`}, nil},
		{"FROM base\nENV DIR=/x\n", nil, nil},
	},
	"InvalidBaseImagePlatform": {
		{"FROM arm\n", []string{`1: InvalidBaseImagePlatform: Base image arm was pulled with platform "linux/arm64", expected "linux/amd64" for current build`}, nil},
		{"FROM arm\n", nil, func(o *Options) { o.Platform.Architecture = "arm64" }},
	},
	"RedundantTargetPlatform": {
		{"FROM --platform=$TARGETPLATFORM base\n", []string{"1: RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"}, nil},
		{"FROM --platform=${TARGETPLATFORM} base\n", []string{"1: RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior"}, nil},
		{"FROM --platform=$BUILDPLATFORM base\n", nil, nil},
	},
	"SecretsUsedInArgOrEnv": {
		{"FROM base\nARG AWS_SECRET_ACCESS_KEY\n", []string{`2: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "AWS_SECRET_ACCESS_KEY")`}, nil},
		{"FROM base\nENV super_Secret=x apikey=y\n", []string{
			`2: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "super_Secret")`,
			`2: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "apikey")`,
		}, nil},
		{"FROM base\nENV PUBLIC_KEY=x KEYBOARD=y SECRET_FILE=z TOKEN_VERSION=1\n", nil, nil},
	},
	"InvalidDefaultArgInFrom": {
		{"ARG TAG\nFROM base:${TAG}\n", []string{"2: InvalidDefaultArgInFrom: Default value for ARG base:${TAG} results in empty or invalid base image name"}, given("TAG", "one")},
		{"ARG IMAGE\nFROM $IMAGE\n", []string{"2: InvalidDefaultArgInFrom: Default value for ARG $IMAGE results in empty or invalid base image name"}, given("IMAGE", "base")},
		{"ARG TAG=one\nFROM base:${TAG}\n", nil, given("TAG", "two")},
		{"ARG TAG\nFROM base:${TAG:-one}\n", nil, nil},
		{"ARG VARIANT\nFROM base${VARIANT}\n", nil, given("VARIANT", ":one")},
	},
	"FromPlatformFlagConstDisallowed": {
		{"FROM --platform=linux/amd64 base AS b\n", []string{`1: FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"`}, nil},
		{"FROM --platform=linux/amd64 base AS build_amd64\n", nil, nil},
		{"FROM --platform=$BUILDPLATFORM base\n", nil, nil},
	},
	"CopyIgnoredFile": {
		{"FROM base\nCOPY ./secret.txt .\nADD secret.txt /x\n", []string{
			`2: CopyIgnoredFile: Attempting to Copy file "secret.txt" that is excluded by .dockerignore`,
			`3: CopyIgnoredFile: Attempting to Add file "secret.txt" that is excluded by .dockerignore`,
		}, ignored("secret.txt")},
		{"FROM base\nCOPY . /app\n", []string{`2: CopyIgnoredFile: Attempting to Copy file "." that is excluded by .dockerignore`}, ignored("")},
		{"FROM base\nCOPY --from=other:1 secret.txt .\nCOPY a .\nADD http://x/secret.txt .\n", nil, ignored("secret.txt")},
	},
	"InvalidDefinitionDescription": {
		{"# check=experimental=InvalidDefinitionDescription\n# bar this is the bar\nARG foo=bar\n# BasE this is\nFROM base AS base\n", []string{
			"3: InvalidDefinitionDescription: Comment for ARG should follow the format: `# foo <description>`",
			"5: InvalidDefinitionDescription: Comment for FROM should follow the format: `# base <description>`",
		}, nil},
		{"# check=experimental=all\n# foo this is the foo\nARG foo=bar\n\n# base is\nFROM base AS base\n", nil, nil},
		{"# bar this is the bar\nARG foo=bar\nFROM base\n", nil, nil},
	},
	"ExposeProtoCasing": {
		{"FROM base\nEXPOSE 80/TcP\n", []string{"2: ExposeProtoCasing: Defined protocol '80/TcP' in EXPOSE instruction should be lowercase"}, nil},
		{"FROM base\nEXPOSE 80/tcp\n", nil, nil},
	},
	"ExposeInvalidFormat": {
		{"FROM base\nEXPOSE 127.0.0.1:80:80\n", []string{"2: ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'"}, nil},
		{"FROM base\nEXPOSE 5000-5005\n", nil, nil},
	},
}

func given(name, value string) func(*Options) {
	return func(o *Options) { o.BuildArgs = map[string]string{name: value} }
}

func ignored(name string) func(*Options) {
	return func(o *Options) { o.Ignored = func(p string) bool { return p == name } }
}

func lintOf(t *testing.T, src string, with func(*Options)) []string {
	t.Helper()
	opt := testOptions()
	opt.Platform = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	if with != nil {
		with(&opt)
	}
	g, err := Plan(t.Context(), []byte(src), opt)
	if err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	var got []string
	for _, w := range g.Warnings {
		got = append(got, fmt.Sprintf("%d: %s: %s", w.Location.Line, w.Rule, w.Text))
	}
	return got
}

func TestEveryRule(t *testing.T) {
	t.Parallel()
	for rule, cases := range lintCases {
		good := false
		for _, tc := range cases {
			got := lintOf(t, tc.src, tc.with)
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%s: of\n%s\ngot  %q\nwant %q", rule, tc.src, got, tc.want)
			}
			for _, w := range got {
				if !strings.Contains(w, ": "+rule+": ") {
					t.Errorf("%s: another rule fires: %s", rule, w)
				}
			}
			if tc.want == nil {
				good = true
				continue
			}
			skip := "# check=skip=" + rule + "\n"
			if rule == linter.RuleInvalidDefinitionDescription.Name {
				continue // is asked for, not skipped
			}
			if got := lintOf(t, skip+tc.src, tc.with); len(got) > 0 {
				t.Errorf("%s: fires in spite of %s: %q", rule, skip, got)
			}
		}
		if !good {
			t.Errorf("%s: no Dockerfile that it says nothing of", rule)
		}
	}
	if len(lintCases) != 22 {
		t.Errorf("%d rules are tried, BuildKit has 22", len(lintCases))
	}
}

// TestSkipAboveAnInstruction: a comment above one instruction counts for that
// one, and not for the stages that it makes be built.
func TestSkipAboveAnInstruction(t *testing.T) {
	t.Parallel()
	src := `FROM base AS a
WORKDIR one
FROM base
# check=skip=WorkdirRelativePath
WORKDIR two
# check=skip=all
COPY --from=a / $NOPE
COPY x $NOPE
# check=skip=StageNameCasing
FROM base AS Last
# check=skip=WorkdirRelativePath
COPY --from=a / /
COPY --from=1 / /
`
	want := []string{
		`2: WorkdirRelativePath: Relative workdir "one" can have unexpected results if the base image changes`,
		"8: UndefinedVar: Usage of undefined variable '$NOPE'",
	}
	if got := lintOf(t, src, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTypographicDashInACommand(t *testing.T) {
	t.Parallel()
	got := lintOf(t, "FROM base\nRUN apt-get remove –y x – y\n", nil)
	if len(got) != 1 || !strings.HasPrefix(got[0], "2: TypographicDash: –y: – (U+2013) is a typographic dash") {
		t.Errorf("%q", got)
	}
}
