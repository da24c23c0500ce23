package values

import (
	"net/url"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"

	"cove/builder/plan"
)

// CheckChecksum checks --checksum, which is of a file or, as Git reads it,
// of a commit.
func CheckChecksum(sources []plan.Source, sum string) error {
	if len(sources) != 1 || sources[0].URL == "" && sources[0].Git == nil {
		return invalid("--checksum goes with exactly one URL or git repository")
	}
	if sources[0].Git != nil {
		return nil
	}
	if _, err := digest.Parse(sum); err != nil {
		return invalid("--checksum=%s: %w: write sha256: and 64 hex digits", sum, err)
	}
	return nil
}

// Git reads the repository of an ADD.
func Git(p string, cmd *instructions.AddCommand) (*plan.Git, error) {
	repo, err := plan.ParseGit(p)
	if err != nil {
		return nil, err
	}
	if cmd.KeepGitDir != nil {
		repo.KeepDir = *cmd.KeepGitDir
	}
	if cmd.Checksum != "" {
		err = repo.Pin(cmd.Checksum)
	}
	return repo, err
}

// IsDir says that a destination is written as a directory.
func IsDir(dest string) bool {
	return dest == "" || dest == "." || dest == ".." || strings.HasSuffix(dest, "/") ||
		strings.HasSuffix(dest, "/.") || strings.HasSuffix(dest, "/..")
}

// SourcePath cleans a source. With --parents a "/./" stays: what follows it is
// kept of the path.
func SourcePath(p string, parents bool) string {
	if parents {
		if pivot, rest, ok := strings.Cut(p, "/./"); ok {
			return CleanRel(pivot) + "/./" + CleanRel(rest)
		}
	}
	return CleanRel(p)
}

// IsURL says that a source is fetched as a file.
func IsURL(p string) bool {
	return (strings.HasPrefix(p, "http://") || strings.HasPrefix(p, "https://")) && !plan.IsGit(p)
}

// URLName is the file name at the end of a URL, "" if it has none.
func URLName(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Path == "" || strings.HasSuffix(u.Path, "/") {
		return ""
	}
	return path.Base(u.Path)
}

// CleanRel makes a path relative to its root, without "..".
func CleanRel(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// EscapePattern makes a path a pattern that matches it alone.
func EscapePattern(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}

// WholeContext copies a path of a context to where it is in it.
func WholeContext(name, source string) *plan.Copy {
	return &plan.Copy{
		Selection: plan.Selection{
			Sources: []plan.Source{{From: plan.FromContext, Context: name, Path: EscapePattern(source)}},
			Parents: true,
		},
		Placement: plan.Placement{Dest: "/", DestDir: true},
	}
}

// IsArrows says whether a word is what begins a heredoc, without the heredoc's name.
func IsArrows(word string) bool { return word == "<<" || word == "<<-" }
