package plan

import (
	"net/url"
	"strconv"
	"strings"

	"cove/errdefs"
)

// Git is a repository at a commit, or a directory of one.
type Git struct {
	// Remote is what git is given.
	Remote string
	// Ref is a branch, a tag or a commit; "" is what the remote has checked out.
	Ref string `json:",omitempty"`
	// Dir is the directory that is taken; "" is all.
	Dir string `json:",omitempty"`
	// Commit, if set, is the beginning of the hash that Ref must have.
	Commit string `json:",omitempty"`
	// KeepDir keeps the directory .git; NoSubmodules leaves them out.
	KeepDir      bool `json:",omitempty"`
	NoSubmodules bool `json:",omitempty"`
}

// IsGit says whether a source is a git repository, by how it is written: docker's
// rules, in code, because a regular expression would be compiled at every start.
func IsGit(s string) bool {
	for _, prefix := range []string{"git://", "ssh://", "git@", "github.com/"} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	return ok && len(rest) > len(".git") && strings.HasSuffix(rest, ".git")
}

// isHash reports whether s is a commit's hash, or the beginning of one.
func isHash(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) >= 4 && len(s) <= 64
}

// ParseGit reads REMOTE[#REF[:DIRECTORY]], or REMOTE?ref=REF&subdir=DIRECTORY with
// docker's other keys. It is an error for what is not IsGit.
func ParseGit(s string) (*Git, error) {
	if !IsGit(s) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is not a git repository", ShowURL(s))
	}
	rest, fragment, _ := strings.Cut(s, "#")
	remote, query, _ := strings.Cut(rest, "?")
	if strings.HasPrefix(remote, "github.com/") {
		remote = "https://" + remote
	}
	g := &Git{Remote: remote}
	g.Ref, g.Dir, _ = strings.Cut(fragment, ":")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", ShowURL(s), err)
	}
	if len(values) > 0 && fragment != "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"%s: give the reference after # or after ?, not both", ShowURL(s))
	}
	for key, all := range values {
		if err := g.set(key, all[len(all)-1]); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", ShowURL(s), err)
		}
	}
	g.Dir = strings.Trim(g.Dir, "/")
	if strings.HasPrefix(g.Ref, "-") || strings.ContainsAny(g.Ref, " \x00\n") {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %q is no branch, tag or commit", ShowURL(s), g.Ref)
	}
	return g, nil
}

// set reads one key of the query.
func (g *Git) set(key, value string) (err error) {
	switch key {
	case "ref", "branch", "tag":
		if g.Ref != "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "two references")
		}
		g.Ref = value
	case "subdir":
		g.Dir = value
	case "checksum", "commit":
		return g.Pin(value)
	case "keep-git-dir":
		g.KeepDir, err = strconv.ParseBool(value)
	case "mtime":
		// What a checkout has is the commit's time, always: that of the checkout would say
		// nothing of the files.
		if value != "commit" {
			return errdefs.Errorf(errdefs.ErrUnsupported, "mtime=%s: files have the time of the commit, mtime=commit",
				value)
		}
	case "submodules":
		var on bool
		on, err = strconv.ParseBool(value)
		g.NoSubmodules = !on
	default:
		return errdefs.Errorf(errdefs.ErrInvalid,
			"unknown key %q; there are ref, branch, tag, subdir, checksum, keep-git-dir, mtime, submodules", key)
	}
	return err
}

// Pin says which commit it must be.
func (g *Git) Pin(commit string) error {
	if !isHash(commit) {
		return errdefs.Errorf(errdefs.ErrInvalid, "checksum %q is not the hash of a commit", commit)
	}
	g.Commit = commit
	return nil
}

// IsCommit says whether a reference is the whole hash of a commit.
func IsCommit(ref string) bool { return isHash(ref) && (len(ref) == 40 || len(ref) == 64) }

// ShowURL is a URL as it may be shown: without user and password, which may be a
// token.
func ShowURL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	if i := strings.LastIndex(authority, "@"); i >= 0 && scheme != "ssh" {
		authority = authority[i+1:]
	}
	return scheme + "://" + authority + tail
}
