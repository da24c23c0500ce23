package credentials

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
)

// hubKey is where docker keeps the sign-in for docker.io.
const hubKey = "https://index.docker.io/v1/"

// key is the name under which a host is written.
func key(host string) string {
	if host == "docker.io" {
		return hubKey
	}
	return host
}

// keys are all names under which a host may be found; old clients wrote URLs.
func keys(host string) []string {
	if host == "docker.io" {
		return []string{hubKey, "docker.io", "index.docker.io", "registry-1.docker.io"}
	}
	return []string{host, "https://" + host, "https://" + host + "/v1/", "https://" + host + "/v2/", "http://" + host}
}

// hostOf is the reverse of keys.
func hostOf(key string) string {
	if slices.Contains(keys("docker.io"), key) {
		return "docker.io"
	}
	_, host, ok := strings.Cut(key, "://")
	if !ok {
		host = key
	}
	host, _, _ = strings.Cut(host, "/")
	return host
}

// file is docker's config.json or podman's auth.json: what we read of it, and
// all of it as it was.
type file struct {
	all   map[string]json.RawMessage
	auths map[string]json.RawMessage

	credsStore  string
	credHelpers map[string]string
}

type entry struct {
	Auth          string `json:"auth,omitempty"` // base64 of USER:PASSWORD
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

func readFile(path string) (*file, error) {
	f := &file{all: map[string]json.RawMessage{}, auths: map[string]json.RawMessage{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return f, nil
	} else if err != nil {
		return nil, err
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return f, nil
	}
	if err := f.decode(b); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w; mend it or move it away", path, err)
	}
	return f, nil
}

func (f *file) decode(b []byte) error {
	if err := json.Unmarshal(b, &f.all); err != nil {
		return err
	}
	for name, into := range map[string]any{
		"auths": &f.auths, "credsStore": &f.credsStore,
		"credHelpers": &f.credHelpers,
	} {
		if raw, ok := f.all[name]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if f.auths == nil { // "auths": null
		f.auths = map[string]json.RawMessage{}
	}
	return nil
}

// helper names the program that keeps the sign-in for host, "" for none.
func (f *file) helper(host string) string {
	for _, k := range keys(host) {
		if h := f.credHelpers[k]; h != "" {
			return h
		}
	}
	return f.credsStore
}

func (f *file) get(ctx context.Context, host string) (Credentials, error) {
	if h := f.helper(host); h != "" {
		c, err := getHelper(ctx, h, key(host))
		if err != nil || !c.IsZero() {
			return c, err
		}
	}
	for _, k := range keys(host) {
		raw, ok := f.auths[k]
		if !ok {
			continue
		}
		c, err := decodeEntry(raw)
		if err != nil {
			return Credentials{}, errdefs.Errorf(errdefs.ErrInvalid, "sign-in kept for %s: %w; sign in anew", k, err)
		}
		if !c.IsZero() {
			return c, nil
		}
	}
	return Credentials{}, nil
}

func decodeEntry(raw json.RawMessage) (Credentials, error) {
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return Credentials{}, err
	}
	if e.Auth != "" {
		// Some tools leave the padding out.
		b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(e.Auth), "="))
		if err != nil {
			return Credentials{}, errors.New("auth is not base64")
		}
		user, password, ok := strings.Cut(string(b), ":")
		if !ok {
			return Credentials{}, errors.New("auth is not USER:PASSWORD")
		}
		e.Username, e.Password = user, strings.TrimRight(password, "\x00")
	}
	if e.IdentityToken != "" { // docker writes a placeholder user beside it
		return Credentials{IdentityToken: e.IdentityToken}, nil
	}
	return Credentials{Username: e.Username, Password: e.Password, RegistryToken: e.RegistryToken}, nil
}

func (f *file) put(host string, c Credentials) {
	f.erase(host)
	e := entry{IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}
	if c.Username != "" || c.Password != "" {
		e.Auth = base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
	}
	raw, _ := json.Marshal(e) // strings alone: it cannot fail
	f.auths[key(host)] = raw
}

func (f *file) erase(host string) (had bool) {
	for _, k := range keys(host) {
		if _, ok := f.auths[k]; ok {
			delete(f.auths, k)
			had = true
		}
	}
	return had
}

// edit changes a file under a lock on its directory, which needs no file of
// its own and ends with the process.
func edit(path string, change func(*file) (write bool, err error)) error {
	// A link is followed, so that a config.json kept elsewhere stays there.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := filelock.OpenDir(context.Background(), dir) // no file beside the user's own
	if err != nil {
		return err
	}
	defer lock.Close()
	f, err := readFile(path)
	if err != nil {
		return err
	}
	write, err := change(f)
	if err != nil || !write {
		return err
	}
	if f.all["auths"], err = json.Marshal(f.auths); err != nil {
		return err
	}
	b, err := json.MarshalIndent(f.all, "", "\t")
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(path, append(b, '\n'), 0o600, atomicfile.Durable)
}
