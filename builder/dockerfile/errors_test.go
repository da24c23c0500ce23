package dockerfile

import (
	"errors"
	"strings"
	"testing"

	"cove/builder/plan"
	"cove/errdefs"
)

// TestErrors holds what people write wrongly, and what they are told.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, src, want string }{
		{"empty", "", "Dockerfile: file with no instructions"},
		{"only comments", "# nothing\n", "file with no instructions"},
		{"no FROM", "ARG A=1\n", "Dockerfile: no FROM"},
		{"RUN first", "RUN x\n", "Dockerfile:1: RUN x: no build stage in current context"},
		{"unknown instruction", "FROM base\nRUNN x\n", "Dockerfile:2: RUNN x: unknown instruction: RUNN (did you mean RUN?)"},
		{"comment after FROM", "FROM scratch #comment\n", "Dockerfile:1: FROM scratch #comment: FROM requires either one or three arguments: a comment needs a line of its own"},
		{"unknown flag", "FROM base\nCOPY --form=x a b\n", "Dockerfile:2: COPY --form=x a b: unknown flag: --form"},
		{"typographic dash", "FROM base\nCOPY –from=x a b\n", `Dockerfile:2: COPY –from=x a b: "–from=x": – (U+2013) is a typographic dash`},
		{"typographic dash in RUN", "FROM base\n\nRUN —mount=type=cache,target=/x make\n", "Dockerfile:3: "},
		{"no destination", "FROM base\nCOPY a\n", "Dockerfile:2: COPY a: COPY requires at least two arguments"},
		{"later stage", "FROM base\nCOPY --from=two a b\nFROM base AS two\nFROM 0\n", ""},
		{"copy from a later stage", "FROM base AS one\nCOPY --from=two a b\nFROM base AS two\nRUN --mount=from=one,target=/x y\n", "circular dependency detected on stage: two: it needs what is made of it"},
		{"mount from a later stage", "FROM base AS one\nRUN --mount=from=2,target=/x y\nFROM one AS two\nFROM two\n", "circular dependency detected on stage: "},
		{"copy from itself", "FROM base AS one\nCOPY --from=one a b\n", "Dockerfile:2: COPY --from=one a b: circular dependency detected on stage: one"},
		{"stage number", "FROM base\nCOPY --from=7 a b\n", "there is no stage 7"},
		{"variable in from", "FROM base\nARG X=base\nCOPY --from=$X a b\n", "--from takes no variables"},
		{"unknown image", "FROM nope\n", "Dockerfile:1: FROM nope: image nope: not found"},
		{"empty FROM", "FROM $NOPE\n", "expands to nothing"},
		{"bad variable", "FROM base\nENV A=${B\n", "Dockerfile:2: ENV A=${B: "},
		{"required variable", "FROM base\nENV A=${B:?is needed}\n", "is needed"},
		{"git query", "FROM base\nADD https://github.com/a/b.git?what=1 /x\n", "unknown key"},
		{"git checksum", "FROM base\nADD --checksum=sha256:aa https://github.com/a/b.git /x\n", "hash of a commit"},
		{"keep-git-dir", "FROM base\nADD --keep-git-dir a /x\n", "--keep-git-dir goes with a git repository"},
		{"COPY of a URL", "FROM base\nCOPY https://x/y /y\n", "use ADD https://x/y"},
		{"checksum of a file", "FROM base\nADD --checksum=sha256:aa a /x\n", "exactly one URL"},
		{"bad checksum", "FROM base\nADD --checksum=sha256:aa http://x/y /x\n", "64 hex digits"},
		{"chmod", "FROM base\nCOPY --chmod=99 a b\n", "octal mode"},
		{"chmod words", "FROM base\nCOPY --chmod=rwx! a b\n", "symbolic"},
		{"port", "FROM base\nEXPOSE http\n", `port "http" is not a number`},
		{"port range", "FROM base\nEXPOSE 9-3\n", "is not a number or range"},
		{"port proto", "FROM base\nEXPOSE 80/icmp\n", "tcp, udp, sctp"},
		{"signal", "FROM base\nSTOPSIGNAL SIGNOPE\n", "is no signal"},
		{"mount type", "FROM base\nRUN --mount=type=bnd,target=/x y\n", "unsupported mount type"},
		{"mount target", "FROM base\nRUN --mount=type=cache y\n", "needs a target"},
		{"mount on root", "FROM base\nRUN --mount=type=cache,target=/ y\n", "target cannot be /"},
		{"network", "FROM base\nRUN --network=mars y\n", "invalid network mode"},
		{"network host", "FROM base\nRUN --network=host y\n", "needs the entitlement network.host"},
		{"insecure", "FROM base\nRUN --security=insecure y\n", "needs the entitlement security.insecure"},
		{"empty RUN", "FROM base\nRUN\n", "Dockerfile:2: RUN: "},
		{"empty exec form", "FROM base\nRUN []\n", "RUN needs a command"},
		{"unterminated heredoc", "FROM base\nRUN <<EOF\nx\n", "unterminated heredoc"},
		{"onbuild from", "FROM base\nONBUILD FROM x\n", "isn't allowed as an ONBUILD trigger"},
		{"shell not JSON", "FROM base\nSHELL bash -c\n", "SHELL requires the arguments to be in JSON form"},
		{"windows", "FROM --platform=windows/amd64 base\n", "only linux images"},
		{"platform", "FROM --platform=a/b/c/d base\n", "want OS/ARCH"},
		{"stage name", "FROM base AS 1x\n", "invalid name for build stage"},
		{"bad check", "# check=what\nFROM base\n", "invalid check option"},
		{"frontend", "# syntax=example.com/other:1\nFROM base\n", "Dockerfile:1: # syntax=example.com/other:1: the frontend example.com/other:1 is not supported"},
		{"lint as error", "# check=error=true\nFROM base\nMAINTAINER x\n", "lint violation found for rules: MaintainerDeprecated"},
		{"secret target", "FROM base\nRUN --mount=type=secret,id=x,target=rel y\n", "is not absolute"},
		{"env on a cache", "FROM base\nRUN --mount=type=cache,target=/x,env=E y\n", "takes no env="},
		{"platform that is not there", "FROM --platform=foo base\n", `Dockerfile:1: FROM --platform=foo base: platform "foo": unknown operating system or architecture "foo"; there are amd64`},
		{"several platforms", "FROM --platform=linux/amd64,linux/arm64 base\n", `platform "linux/amd64,linux/arm64": this is done for one platform at a time`},
		{"signal number", "FROM base\nSTOPSIGNAL 999\n", "from 1 to 64"},
		{"negative signal", "FROM base\nSTOPSIGNAL -5\n", "from 1 to 64"},
		{"port too high", "FROM base\nEXPOSE 99999\n", "between 0 and 65535"},
		{"user of three", "FROM base\nUSER a:b:c\n", "want USER, UID, USER:GROUP or UID:GID"},
		{"user below 0", "FROM base\nUSER -1\n", `"-1" is not the name`},
		{"user above the kernel's", "FROM base\nUSER 4294967295\n", "an id is between 0 and 4294967294"},
		{"user with a space", "FROM base\nUSER a b\n", "is not the name"},
		{"chown of three", "FROM base\nCOPY --chown=a:b:c x /x\n", "want USER, UID"},
		{"chown id", "FROM base\nADD --chown=99999999999 x /x\n", "an id is between"},
		{"shell of nothing", "FROM base\nSHELL [\"\"]\n", "SHELL needs the path"},
		{"onbuild unknown", "FROM base\nONBUILD FOO x\n", "unknown instruction: FOO"},
		{"mount mode", "FROM base\nRUN --mount=type=cache,target=/x,mode=77777 y\n", "between 0 and 07777"},
		{"tmpfs from", "FROM base\nRUN --mount=type=tmpfs,target=/x,from=base y\n", "takes no from="},
		{"bind id", "FROM base\nRUN --mount=type=bind,target=/x,id=i y\n", "takes no id="},
		{"secret env", "FROM base\nRUN --mount=type=secret,id=x,env=A=B y\n", "not a variable's name"},
		{"quotes in JSON", "FROM base\nCMD [“a”, “b”]\n", "“ (U+201C) is a typographic quote"},
		{"quotes around an image", "FROM “base”\n", "is a typographic quote"},
		{"quotes around a path", "FROM base\nCOPY “a b” /x\n", "is a typographic quote"},
		{"quotes in ENV", "FROM base\nENV A=“x y”\n", "is a typographic quote"},
		{"quotes in SHELL", "FROM base\nSHELL [“a”]\n", "is a typographic quote"},
		{"dash in ONBUILD", "FROM base\nONBUILD COPY –from=x a b\n", "is a typographic dash"},
		{"frontend that is no name", "# syntax=docker/dockerfile:\nFROM base\n", "Dockerfile:1: # syntax=docker/dockerfile:: the frontend"},
		{"frontend like docker's", "# syntax=example.com/notdocker/dockerfile:1\nFROM base\n", "is not supported"},
		{"frontend below docker's", "# syntax=example.com/docker/dockerfile/x:1\nFROM base\n", "is not supported"},
		{"stage misspelt in COPY", "FROM base AS build\nFROM base\nCOPY --from=biuld /a /b\n", `not found; did you mean "build"?`},
		{"stage misspelt in RUN", "FROM base AS build\nFROM base\nRUN --mount=from=bulid,target=/b a\n", `did you mean "build"?`},
		{"stage misspelt in FROM", "FROM base AS Build\nFROM biuld\nRUN a\n", `did you mean "build"?`},
		{"stage like no other", "FROM base AS build\nFROM base\nCOPY --from=release /a /b\n", "image release: not found"},
		{"health check", "FROM base\nHEALTHCHECK --interval=x CMD y\n", "invalid duration"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Plan(t.Context(), []byte(tc.src), testOptions())
			if tc.want == "" {
				tc.want = "image 0: not found" // a FROM names stages by name only
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v\nwant …%s…", err, tc.want)
			}
			if pe := (*plan.Error)(nil); !errors.As(err, &pe) {
				t.Errorf("%T has no location", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	src := []byte("FROM base AS one\nRUN a\nFROM nope AS two\nFROM one AS Three\nRUN b\n")
	opt := testOptions()
	for target, want := range map[string]int{"one": 2, "0": 2, "THREE": 3, "": 3} {
		opt.Target = target
		g, err := Plan(t.Context(), src, opt)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		if len(g.Vertices) != want {
			t.Errorf("target %q has %d vertices, want %d", target, len(g.Vertices), want)
		}
	}
	opt.Target = "tow"
	if _, err := Plan(t.Context(), src, opt); err == nil || !strings.HasSuffix(err.Error(), `; did you mean "two"?`) {
		t.Errorf("a misspelt target: %v", err)
	}
	opt.Target = "four"
	if _, err := Plan(t.Context(), src, opt); !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "one, two, three") {
		t.Error(err)
	}
}

func FuzzPlan(f *testing.F) {
	for _, s := range []string{
		"FROM base\nRUN <<A <<B x\na\nA\nb\nB\n", "# escape=`\nFROM base\nRUN a `\n b\n", "FROM base\nCOPY [\"a\",\"b\"] c\n",
		"ARG A=${B:-c}\nFROM ${A#x}\n", "FROM parent\nEXPOSE 1-65535\n", "FROM base\nRUN --mount=type=cache,target=/x,mode=7777 y\n",
		"FROM base\nONBUILD RUN <<E\nx\nE\nFROM 0", "FROM base\nADD --chmod=u+rwX,g=u http://x/y /z", "FROM base\nENV a b c\nLABEL \"a b\"='c'\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		g, err := Plan(t.Context(), src, testOptions())
		if err != nil {
			return
		}
		for i, v := range g.Vertices {
			if int(v.ID) != i || v.Parent >= v.ID || v.Definition == "" {
				t.Fatalf("vertex %d is not in order: %+v", i, v)
			}
			for _, in := range v.Inputs {
				if in >= v.ID {
					t.Fatalf("vertex %d has an input after it", i)
				}
			}
		}
		_ = g.Dump()
	})
}

// TestExpansionEnds: a file of a few lines must not fill the memory.
func TestExpansionEnds(t *testing.T) {
	t.Parallel()
	src := "FROM base\nENV A=aaaaaaaa\n" + strings.Repeat("ENV A=$A$A$A$A$A$A$A$A$A$A\n", 30)
	if _, err := Plan(t.Context(), []byte(src), testOptions()); err == nil || !strings.Contains(err.Error(), "the kernel takes") {
		t.Error(err)
	}
}
