package fetch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/errdefs"
)

// Git gets repositories by the machine's own git.
type Git struct {
	// Guarded says that the repository is named by a Dockerfile: then the user's
	// own configuration of git, with its passwords, is not for it, and neither are
	// addresses of this machine.
	Guarded bool
	// Secrets may hold GIT_AUTH_TOKEN and GIT_AUTH_HEADER, also with ".HOST" behind.
	Secrets map[string][]byte
	// Agent is the socket of an ssh agent; "" is that of the environment, unless
	// Guarded.
	Agent string
	// Lock says at which commits repositories are taken, and is told; nil is no lock.
	Lock *lockfile.Lock
}

// gitProtocols are the transports that git may use, whatever its configuration
// and the submodules of a repository say: not those that run commands or read
// this machine's files.
const gitProtocols = "http:https:ssh:git"

// kept are the variables that git gets from the environment.
var kept = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "GIT_SSL_CAINFO",
	"GIT_LFS_SKIP_SMUDGE",
}

// Resolve is the hash of the commit that repo means: by the lock, or else by the remote.
// It is "" for the beginning of a hash, which only Checkout can complete.
func (g Git) Resolve(ctx context.Context, repo *plan.Git) (string, error) {
	commit, err := g.Lock.AskGit(repo)
	if err != nil {
		return "", err
	}
	if commit != "" {
		err = checkCommit(repo, commit)
	} else if commit, err = g.ask(ctx, repo); err != nil || commit == "" {
		return "", err
	}
	g.Lock.NoteGit(repo, commit)
	return commit, err
}

// ask asks the remote.
func (g Git) ask(ctx context.Context, repo *plan.Git) (string, error) {
	if plan.IsCommit(repo.Ref) {
		return repo.Ref, checkCommit(repo, repo.Ref)
	}
	ref := repo.Ref
	if ref == "" {
		ref = "HEAD"
	}
	out, err := g.run(ctx, repo, "", "ls-remote", "--", repo.Remote, ref, ref+"^{}")
	if err != nil {
		return "", err
	}
	hashes := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if hash, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			hashes[name] = hash
		}
	}
	for _, name := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref + "^{}", "refs/tags/" + ref} {
		if hash := hashes[name]; hash != "" {
			return hash, checkCommit(repo, hash)
		}
	}
	if strings.Trim(ref, "0123456789abcdef") == "" && len(ref) >= 4 {
		return "", nil
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "%s has no branch, tag or commit %q",
		plan.ShowURL(repo.Remote), ref)
}

// checkCommit compares a commit with the one that was asked for.
func checkCommit(repo *plan.Git, hash string) error {
	if strings.HasPrefix(hash, repo.Commit) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrCorrupt, "%s: %s is the commit %s and not %s, as the checksum says",
		plan.ShowURL(repo.Remote), repo.Ref, hash, repo.Commit)
}

// Checkout puts the files of the commit into dir, an empty directory, and returns
// the directory that repo takes, without following links out of it, and the commit.
// Files have the time of the commit, so that one commit is always the same files.
func (g Git) Checkout(ctx context.Context, repo *plan.Git, dir string) (top, commit string, err error) {
	hash, err := g.Resolve(ctx, repo)
	if err != nil {
		return "", "", err
	}
	if err := g.fetch(ctx, repo, dir, hash); err != nil {
		return "", "", err
	}
	out, err := g.run(ctx, repo, dir, "log", "-1", "--format=%H %ct")
	if err != nil {
		return "", "", err
	}
	commit, seconds, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err := checkCommit(repo, commit); err != nil {
		return "", "", err
	}
	g.Lock.NoteGit(repo, commit)
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return "", "", errdefs.Errorf(errdefs.ErrUnavailable, "git: the commit's time %q: %w", seconds, err)
	}
	if err := normalize(dir, repo.KeepDir, at); err != nil {
		return "", "", errdefs.Errorf(errdefs.ErrUnavailable, "git: %w", err)
	}
	top, err = within(dir, repo)
	return top, commit, err
}

// fetch gets one commit, alone if the remote allows that.
func (g Git) fetch(ctx context.Context, repo *plan.Git, dir, hash string) error {
	for _, args := range [][]string{
		{"init", "-q"}, {"remote", "add", "origin", repo.Remote},
	} {
		if _, err := g.run(ctx, repo, dir, args...); err != nil {
			return err
		}
	}
	alone := false
	if hash != "" {
		_, err := g.run(ctx, repo, dir, "fetch", "-q", "--depth=1", "--no-tags", "origin", hash)
		alone = err == nil
	}
	if !alone { // a remote that gives only branches and tags, or part of a hash
		_, err := g.run(ctx, repo, dir, "fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
		if err != nil {
			return err
		}
	}
	want := cmp.Or(hash, repo.Ref)
	if _, err := g.run(ctx, repo, dir, "checkout", "-q", "--detach", want, "--"); err != nil {
		return err
	}
	if repo.NoSubmodules {
		return nil
	}
	return g.submodules(ctx, repo, dir, 0)
}

// deepest is how many submodules may be in one another.
const deepest = 16

// submodules checks out those of the repository in dir, and theirs. A level is
// looked at before it is fetched: its URLs are as little trusted as the first.
func (g Git) submodules(ctx context.Context, repo *plan.Git, dir string, depth int) error {
	if _, err := os.Lstat(filepath.Join(dir, ".gitmodules")); err != nil {
		return nil // it has none
	}
	if depth == deepest {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: submodules are nested deeper than %d",
			plan.ShowURL(repo.Remote), deepest)
	}
	out, err := g.run(ctx, repo, dir, "config", "-f", ".gitmodules", "--get-regexp", `^submodule\..*\.(url|path)$`)
	if err != nil {
		return err
	}
	var below []string
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasSuffix(key, ".path") && filepath.IsLocal(value) {
			below = append(below, value)
		}
		relative := strings.HasPrefix(value, "./") || strings.HasPrefix(value, "../") // to the remote
		if strings.HasSuffix(key, ".url") && g.Guarded && !relative {
			if err := refuseLocalHost(ctx, value); err != nil {
				return err
			}
		}
	}
	if _, err := g.run(ctx, repo, dir, "submodule", "--quiet", "update", "--init", "--depth=1"); err != nil {
		return err
	}
	for _, path := range below {
		if err := g.submodules(ctx, repo, filepath.Join(dir, path), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// run executes git and returns what it printed.
func (g Git) run(ctx context.Context, repo *plan.Git, dir string, args ...string) ([]byte, error) {
	if g.Guarded {
		if err := refuseLocalHost(ctx, repo.Remote); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, g.env(repo)
	var out, why bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &why
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "%s: git is needed for it, and not installed here",
			plan.ShowURL(repo.Remote))
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		said := strings.ReplaceAll(strings.TrimSpace(why.String()), repo.Remote, plan.ShowURL(repo.Remote))
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "git %s of %s: %w: %s", args[0],
			plan.ShowURL(repo.Remote), err,
			strings.ReplaceAll(said, "\n", "; "))
	}
	return out.Bytes(), nil
}

// env is the environment of git: nothing asks at a terminal, no hook or program of
// a repository runs, and passwords are on no command line.
func (g Git) env(repo *plan.Git) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=" + gitProtocols,
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes",
	}
	for _, name := range kept {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	agent := g.Agent
	if g.Guarded {
		env = append(env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "HOME=/nonexistent")
	} else {
		env = append(env, "HOME="+os.Getenv("HOME"), "XDG_CONFIG_HOME="+os.Getenv("XDG_CONFIG_HOME"))
		if agent == "" {
			agent = os.Getenv("SSH_AUTH_SOCK")
		}
	}
	if agent != "" {
		env = append(env, "SSH_AUTH_SOCK="+agent)
	}
	config := [][2]string{
		{"core.hooksPath", "/dev/null"}, {"advice.detachedHead", "false"}, {"protocol.version", "2"},
	}
	if header := g.header(repo.Remote); header != "" {
		config = append(config, [2]string{"http." + origin(repo.Remote) + ".extraHeader", "Authorization: " + header})
	}
	env = append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(config)))
	for i, kv := range config {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]),
			fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	return env
}

// header is what the secrets say to send the remote, over HTTP.
func (g Git) header(remote string) string {
	u, err := url.Parse(remote)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	for _, suffix := range []string{"." + u.Host, ""} {
		if v := bytes.TrimSpace(g.Secrets["GIT_AUTH_HEADER"+suffix]); len(v) > 0 {
			return string(v)
		}
		if v := bytes.TrimSpace(g.Secrets["GIT_AUTH_TOKEN"+suffix]); len(v) > 0 {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+string(v)))
		}
	}
	return ""
}

// origin is the part of a URL that a password is for.
func origin(remote string) string {
	u, err := url.Parse(remote)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
}

// refuseLocalHost looks a remote's host up, since git is not told which address
// it may use.
func refuseLocalHost(ctx context.Context, remote string) error {
	host := ""
	if u, err := url.Parse(remote); err == nil && u.Host != "" {
		host = u.Hostname()
	} else if at, _, ok := strings.Cut(remote, ":"); ok {
		host = at[strings.LastIndex(at, "@")+1:]
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", plan.ShowURL(remote), err)
	}
	for _, a := range addresses {
		if err := refuseLocal("", net.JoinHostPort(a, "0"), nil); err != nil {
			return err
		}
	}
	return nil
}

// normalize removes .git, unless it is kept, and gives everything one time, and the mode that
// it has where the umask is 022.
func normalize(dir string, keep bool, at int64) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git" && !keep:
			if err := os.RemoveAll(p); err != nil || !d.IsDir() {
				return err
			}
			return fs.SkipDir
		case d.IsDir():
			dirs = append(dirs, p)
			return os.Chmod(p, 0o755)
		}
		return errors.Join(setMode(p, d), setTime(p, at))
	})
	for _, d := range dirs {
		err = errors.Join(err, setTime(d, at))
	}
	return err
}

// setMode makes a mode of what git knows of it, for whom a file is executable or not; those
// of its own in .git nobody writes to.
func setMode(p string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	mode := os.FileMode(0o644)
	switch {
	case info.Mode()&0o200 == 0:
		mode = 0o444
	case info.Mode()&0o100 != 0:
		mode = 0o755
	}
	return os.Chmod(p, mode)
}

// setTime does not follow a link.
func setTime(p string, at int64) error {
	ts := []unix.Timespec{{Sec: at}, {Sec: at}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, p, ts, unix.AT_SYMLINK_NOFOLLOW)
}

// within is the directory of a checkout that is taken. No link leads out of it:
// the repository is somebody else's.
func within(dir string, repo *plan.Git) (string, error) {
	if repo.Dir == "" {
		return dir, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "git: %w", err)
	}
	defer root.Close()
	info, err := root.Stat(repo.Dir)
	if err == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "%s: the directory %s: %w", plan.ShowURL(repo.Remote),
			repo.Dir, err)
	}
	real, err := filepath.EvalSymlinks(filepath.Join(dir, repo.Dir))
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "git: %w", err)
	}
	return real, nil
}
