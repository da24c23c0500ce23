package buildcmd

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"cove/engine/builds"
	"cove/internal/cli/app"
)

// onGitHub says whether this is a job of GitHub Actions, whose log reads commands:
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
func onGitHub() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// group begins a group of lines of the job's log, and returns what ends it.
func group(a *app.App, title string) (end func()) {
	if !onGitHub() {
		return func() {}
	}
	fmt.Fprintf(a.Err, "::group::%s\n", commandData(title))
	return func() { fmt.Fprintln(a.Err, "::endgroup::") }
}

// annotate puts an error at its line of the Dockerfile, where the job's page shows it.
func annotate(a *app.App, err error) {
	var at *builds.Error
	if onGitHub() && errors.As(err, &at) {
		command(a, "error", "build", at.Location, at.Err.Error())
	}
}

// annotateWarnings does the same for warnings.
func annotateWarnings(a *app.App, warnings []builds.Warning) {
	if !onGitHub() {
		return
	}
	for _, w := range warnings {
		command(a, "warning", w.Rule, w.Location, w.Text)
	}
}

func command(a *app.App, what, title string, at builds.Location, text string) {
	properties := "title=" + commandProperty(title)
	if at.File != "" && at.Line > 0 {
		properties = fmt.Sprintf("file=%s,line=%d,endLine=%d,%s",
			commandProperty(at.File), at.Line, max(at.Line, at.End), properties)
	}
	fmt.Fprintf(a.Err, "::%s %s::%s\n", what, properties, commandData(text))
}

// commandData and commandProperty escape what would end a command or a property of it.
func commandData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func commandProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(commandData(s))
}
