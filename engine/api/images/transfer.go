package images

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/docker/go-units"

	"cove/distribution/progress"
	"cove/engine"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/files"
	engines "cove/engine/images"
	"cove/errdefs"
)

type (
	searchOptions = engines.SearchOptions
	commitOptions = files.CommitOptions
)

// signIn is what a client sends with a request that reaches a registry.
type signIn struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	ServerAddress string `json:"serveraddress"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// Credentials are the client's, at whatever registry it names.
func (s signIn) Credentials(context.Context, string) (engine.Credentials, error) {
	return engine.Credentials{
		Username: s.Username, Password: s.Password, IdentityToken: s.IdentityToken, RegistryToken: s.RegistryToken,
	}, nil
}

// as is the engine for who sent a request: with the sign-in that came with it, or
// else with nothing. What is kept on this machine is its own people's.
func (a *API) as(r *route.Request) (*engine.Engine, error) {
	text := strings.TrimRight(r.Header.Get("X-Registry-Auth"), "=")
	var s signIn
	if text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			raw, err = base64.RawStdEncoding.DecodeString(text) // as some clients have it
		}
		if err == nil {
			err = json.Unmarshal(raw, &s)
		}
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"the header X-Registry-Auth is no sign-in: want base64url of JSON")
		}
	}
	return a.engine.As(s), nil
}

// create pulls an image, or makes one of a tar.
func (a *API) create(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	if q.Get("fromSrc") != "" {
		return a.importTar(w, r)
	}
	name, tag := q.Get("fromImage"), q.Get("tag")
	if name == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "neither fromImage nor fromSrc says what is to be made")
	}
	all := false
	switch {
	case strings.Contains(tag, ":"): // a digest: no tag has a colon
		name += "@" + tag
	case tag != "":
		name += ":" + tag
	default:
		// Clients whose people mean latest say so.
		all = !strings.ContainsAny(name[strings.LastIndex(name, "/")+1:], ":@")
	}
	e, err := a.as(r)
	if err != nil {
		return err
	}
	lines := wire.NewLines(w)
	pulled, err := e.Pull(r.Context(), name, engines.PullOptions{
		Platform: q.Get("platform"), AllTags: all,
		Progress: told(lines).pull(),
	})
	if err != nil {
		return lines.End(err)
	}
	for _, p := range pulled {
		lines.Send(wire.Line{Status: "Digest: " + p.Digest.String()})
		status := "Status: Image is up to date for "
		if p.Newer {
			status = "Status: Downloaded newer image for "
		}
		lines.Send(wire.Line{Status: status + p.Ref.Familiar()})
	}
	return nil
}

func (a *API) importTar(w http.ResponseWriter, r *route.Request) error {
	q, body, lines := r.URL.Query(), r.Body, wire.NewLines(w)
	o := engines.ImportOptions{
		Name: q.Get("repo"), Platform: q.Get("platform"), Message: q.Get("message"), Changes: q["changes"],
	}
	if tag := q.Get("tag"); tag != "" && o.Name != "" {
		o.Name += ":" + tag
	}
	if src := q.Get("fromSrc"); src != "-" {
		remote, err := fetch(r.Context(), src)
		if err != nil {
			return err
		}
		defer remote.Body.Close()
		body = remote.Body
		lines.Send(wire.Line{Status: "Downloading from " + remote.Request.URL.Redacted()})
		o.Message = cmp.Or(o.Message, "Imported from "+remote.Request.URL.Redacted())
	}
	id, err := a.engine.Import(r.Context(), body, o)
	if err != nil {
		return lines.End(err)
	}
	lines.Send(wire.Line{Status: id.String()})
	return nil
}

// fetch asks for what is to be imported from elsewhere. Without a scheme http is meant.
func fetch(ctx context.Context, src string) (*http.Response, error) {
	if !strings.Contains(src, "://") {
		src = "http://" + src
	}
	u, err := url.Parse(src)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "fromSrc=%s: want -, or a URL of http or https", src)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "fromSrc: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "importing from %s: it answers %s", u.Redacted(), res.Status)
	}
	return res, nil
}

func (a *API) push(w http.ResponseWriter, r *route.Request) error {
	name, tag := r.Param("name"), r.URL.Query().Get("tag")
	e, err := a.as(r)
	if err != nil {
		return err
	}
	o := engines.PushOptions{}
	switch {
	case tag != "":
		name += ":" + tag
	case !strings.Contains(name[strings.LastIndex(name, "/")+1:], ":"): // some clients leave the tag in the name
		o.AllTags = true
	}
	lines := wire.NewLines(w)
	o.Progress = told(lines).push
	imgs, err := forPlatform(r, e)
	if err != nil {
		return lines.End(err)
	}
	pushed, err := imgs.Push(r.Context(), name, o)
	for _, p := range pushed {
		lines.Send(wire.Line{Status: fmt.Sprintf("%s: digest: %s size: %d", p.Ref.Tag, p.Descriptor.Digest,
			p.Descriptor.Size)})
		lines.Send(wire.Line{Progress: &wire.Progress{}, Aux: map[string]any{
			"Tag": p.Ref.Tag, "Digest": p.Descriptor.Digest, "Size": p.Descriptor.Size,
		}})
	}
	return lines.End(err)
}

// teller tells a client of transfers.
type teller struct{ lines *wire.Lines }

func told(l *wire.Lines) teller { return teller{l} }

// words are docker's for what happens to a layer.
var (
	pullWords = map[progress.Kind]string{
		progress.Waiting: "Pulling fs layer", progress.Downloading: "Downloading",
		progress.Downloaded: "Download complete",
		progress.Extracting: "Extracting", progress.Complete: "Pull complete", progress.AlreadyExists: "Already exists",
		progress.Retrying: "Retrying",
	}
	pushWords = map[progress.Kind]string{
		progress.Waiting: "Waiting", progress.Pushing: "Pushing", progress.Pushed: "Pushed",
		progress.AlreadyExists: "Layer already exists", progress.Mounted: "Mounted from", progress.Retrying: "Retrying",
	}
)

// pull says nothing before an image is found: that there is none is then an error of the
// request, with its status, as programs expect it.
func (t teller) pull() progress.Func {
	var begun progress.Event
	return func(e progress.Event) {
		switch e.Kind {
		case progress.Begun:
			begun = e
		case progress.Resolved:
			t.lines.Send(wire.Line{Status: "Pulling from " + begun.Ref.Repository, ID: begun.Ref.Tag})
		default:
			t.layer(e, pullWords[e.Kind])
		}
	}
}

func (t teller) push(e progress.Event) {
	if e.Kind == progress.Begun {
		t.lines.Send(wire.Line{Status: "The push refers to repository [" + e.Ref.Name() + "]"})
		return
	}
	word := pushWords[e.Kind]
	if e.Kind == progress.Mounted {
		word += " " + e.From
	}
	t.layer(e, word)
}

func (t teller) layer(e progress.Event, word string) {
	if word == "" || e.Desc.Digest == "" {
		return
	}
	line := wire.Line{Status: word, Progress: &wire.Progress{}, ID: e.Desc.Digest.Encoded()[:12]}
	if e.Kind == progress.Downloading || e.Kind == progress.Extracting || e.Kind == progress.Pushing {
		line.Progress = &wire.Progress{Current: e.Offset, Total: e.Desc.Size}
		line.Bar = bar(e.Offset, e.Desc.Size)
	}
	t.lines.Send(line)
}

// bar is what clients show that know of no numbers.
func bar(done, all int64) string {
	if all <= 0 {
		return units.HumanSize(float64(done))
	}
	const width = 50
	n := min(int(done*width/all), width)
	head := ">"
	if n == width {
		head = ""
	}
	return fmt.Sprintf("[%s%s%s] %8s/%s", strings.Repeat("=", n), head, strings.Repeat(" ", max(width-n-len(head), 0)),
		units.HumanSize(float64(done)), units.HumanSize(float64(all)))
}

func (a *API) save(w http.ResponseWriter, r *route.Request) error {
	names := r.URL.Query()["names"]
	if name := r.Param("name"); name != "" {
		names = []string{name}
	}
	if len(names) == 1 {
		names = strings.Split(names[0], ",") // as the oldest clients have it
	}
	w.Header().Set("Content-Type", "application/x-tar")
	imgs, err := forPlatform(r, a.engine)
	if err != nil {
		return err
	}
	err = wire.Streamed(w, func(to http.ResponseWriter) error { return imgs.Save(r.Context(), to, names) })
	if len(names) == 1 && r.URL.Query().Get("platform") == "" {
		return wire.Missing(err, "image", names[0])
	}
	return err
}

func (a *API) load(w http.ResponseWriter, r *route.Request) error {
	imgs, err := forPlatform(r, a.engine)
	if err != nil {
		return err
	}
	loaded, err := imgs.Load(r.Context(), r.Body, nil)
	lines := wire.NewLines(w)
	for _, img := range loaded {
		if img.Name != "" {
			lines.Send(wire.Line{Stream: "Loaded image: " + familiar(img.Name) + "\n"})
		} else {
			lines.Send(wire.Line{Stream: "Loaded image ID: " + img.ID.String() + "\n"})
		}
	}
	return lines.End(err)
}

func familiar(name string) string {
	name = strings.TrimPrefix(name, "docker.io/")
	return strings.TrimPrefix(name, "library/")
}

func (a *API) distribution(w http.ResponseWriter, r *route.Request) error {
	e, err := a.as(r)
	if err != nil {
		return err
	}
	found, err := e.Distribution(r.Context(), r.Param("name"))
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, found)
}

// auth checks a sign-in at its registry. It is the client that keeps it.
func (a *API) auth(w http.ResponseWriter, r *route.Request) error {
	var s signIn
	if err := wire.Decode(r.Request, &s); err != nil {
		return err
	}
	host := registryHost(s.ServerAddress)
	registry, err := a.engine.Registry()
	if err != nil {
		return err
	}
	if err := registry.Login(r.Context(), host, s.Username, s.Password); err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, struct{ Status, IdentityToken string }{"Login Succeeded", ""})
}

// registryHost is the host of an address; docker's own has one that is like no other.
func registryHost(address string) string {
	host := engine.RegistryHost(address)
	if host == "index.docker.io" {
		return engine.RegistryHost()
	}
	return host
}
