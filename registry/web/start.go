package web

import (
	"net/http"
	"strings"

	"cove/errdefs"
	"cove/registry/clients"
	"cove/registry/metadata"
	"cove/registry/pki/fingerprint"
	"cove/registry/web/page"
)

type startData struct {
	First       bool // there is nothing to see yet
	Plain       bool // there is no TLS
	Fingerprint string
	File        string // the certificate's name when it is saved
	Clients     []clients.Client
	Client      clients.Client
	Project     string
}

func (p *Pages) start(a *page.Ask) error {
	held, err := p.DB.Repositories(a.Context(), a.Caller.Viewer(), "", 1)
	if err != nil {
		return err
	}
	s := clients.Setup{Base: p.Base(a), Host: p.Host(a), User: a.Caller.Name, Own: p.cfg.CA != nil}
	if s.User == "" {
		s.User = "USER"
	}
	d := startData{
		First: len(held) == 0, Plain: s.Plain(), Project: metadata.DefaultProject, Clients: s.Clients(),
		File: strings.NewReplacer(":", "-", "[", "", "]", "").Replace(s.Host) + ".crt",
	}
	d.Client = clients.Choose(d.Clients, a.FormValue("client"))
	if s.Own {
		if d.Fingerprint, err = p.fingerprint(); err != nil {
			return err
		}
	}
	title := "start.title"
	if d.First {
		title = "start.first"
	}
	return p.Page(a, "start", "start", a.Language.Text(title), d)
}

// fingerprint is that of the certificate, as openssl prints it.
func (p *Pages) fingerprint() (string, error) {
	text, err := p.cfg.CA()
	if err != nil {
		return "", err
	}
	return fingerprint.Of(text)
}

// certificate is what clients are to trust, for everyone: without it nobody could
// tell that he signs in here.
func (p *Pages) certificate(a *page.Ask) error {
	if p.cfg.CA == nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "this registry has no certificate authority of its own")
	}
	text, err := p.cfg.CA()
	if err != nil {
		return err
	}
	a.W.Header().Set("Content-Type", "application/x-pem-file")
	a.W.WriteHeader(http.StatusOK)
	_, err = a.W.Write(text)
	return err
}
