package dockerfile

import (
	"strings"
	"testing"
)

// TestTrapsOfRun: what beginners' commands mean and were not meant to.
func TestTrapsOfRun(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"RUN apt-get update \\\n    apt-get install -y curl\n":                                           `MissingOperator: "apt-get install …" begins a line`,
		"RUN apt-get update && \\\n    apt-get install -y curl\n":                                        "",
		"RUN apt-get update && apt-get install -y \\\n curl \\\n tar\n":                                  "",
		"RUN apt-get update && apt-get install -y \\\n curl \\\n\n # rest\n rm -rf /var/lib/apt/lists\n": `MissingOperator: "rm -rf …"`,
		"RUN for x in a b; do \\\n mkdir -p $x; \\\n done\n":                                             "",

		"ARG distro=x\nARG ${distro}=1\n":                                          "ArgNameNotExpanded: variables are not replaced in the name of an ARG: this one is called ${distro}",
		"RUN make \\\n cd /src\n":                                                  `MissingOperator: "cd /src …"`,
		"RUN apt-get install -y curl\n":                                            "InstallWithoutUpdate",
		"RUN apt update\nRUN apt -y install curl\n":                                "",
		"RUN apt-get -qq update && apt-get -y --no-install-recommends install x\n": "",
		"RUN <<EOF\napt-get install x\nEOF\n":                                      "InstallWithoutUpdate",
		"RUN echo adapt-get installs\n":                                            "",
	} {
		got := strings.Join(lintOf(t, "FROM base\n"+src, nil), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", src, got, want)
		}
	}
}

// TestTrapsOfSyntax: a line that was to go on with the one before says so.
func TestTrapsOfSyntax(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"FROM base\nRUN apt-get update &&\n    apt-get install x\n": "must end with a backslash",
		"FROM base\nRUN make\n&& make install\n":                    "must end with a backslash",
		"FROM base\nCMD [“/bin/echo”]\n":                            "typographic quote",
		"FROM scratch #comment\n":                                   "a comment needs a line of its own",
		"FROM base\nCOPY << EOF /hello\nrun a\nEOF\n":               "the name of a heredoc follows its << without a space",
		"FROM base\nENV a=${b\n":                                    "failed to process \"${b\": a ${ has no }",
		"ARG a=${b\nFROM base\n":                                    "a ${ has no }",
		"FROM ${b\n":                                                "a ${ has no }",
		"FROM base\nARG a=x${b:-${c}\n":                             "missing",
		"FROM base\nEXPOSE ${b\n":                                   "a ${ has no }",
		"FROM base\nCOPY ${b /x\n":                                  "a ${ has no }",
		"FROM base\nRUNN x\n":                                       "did you mean RUN",
	} {
		_, err := Plan(t.Context(), []byte(src), testOptions())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
		if want == "did you mean RUN" && strings.Contains(err.Error(), "backslash") {
			t.Errorf("%q: %v", src, err)
		}
	}
}
