package webhook

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/registry/webhook/payload"
)

// apply changes h as a spec says, or is errdefs.ErrInvalid, also of an address that
// deliveries do not go to.
func (w *Webhooks) apply(h *Webhook, s Spec) error {
	set(&h.Name, s.Name)
	set(&h.URL, s.URL)
	set(&h.Enabled, s.Enabled)
	set(&h.SkipVerify, s.SkipVerify)
	set(&h.Format, s.Format)
	set(&h.Events, s.Events)
	if len(h.Events) == 0 {
		h.Events = payload.Types()
	}
	if err := check(h); err != nil {
		return err
	}
	if s.URL != nil || h.URL == "" { // one that was allowed may be renamed; delivery looks again
		if err := w.cfg.Outbound.Check(h.URL); err != nil {
			return err
		}
	}
	for _, secret := range []struct {
		given  *string
		sealed *string
		what   string
	}{
		{s.Authorization, &h.auth, "header"}, {s.Secret, &h.secret, "secret"},
	} {
		if secret.given == nil {
			continue
		}
		if err := checkText("its "+secret.what, *secret.given); err != nil {
			return err
		}
		sealed, err := w.cfg.Box.Seal(*secret.given, sealedFor(h.ID, secret.what))
		if err != nil {
			return err
		}
		*secret.sealed = sealed
	}
	h.HasAuth, h.HasSecret = h.auth != "", h.secret != ""
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// sealedFor is what a secret of a webhook is sealed for.
func sealedFor(id int64, what string) string {
	return "webhook " + strconv.FormatInt(id, 10) + " " + what
}

func check(h *Webhook) error {
	if strings.TrimSpace(h.Name) == "" || len(h.Name) > 64 {
		return errdefs.Errorf(errdefs.ErrInvalid, "a webhook has a name of at most 64 letters")
	}
	if err := checkText("its name", h.Name); err != nil {
		return err
	}
	if _, err := payload.ParseFormat(string(h.Format)); err != nil {
		return err
	}
	for _, e := range h.Events {
		if _, err := payload.ParseType(string(e)); err != nil {
			return err
		}
	}
	// In the order in which they came, so that who compares reads back what was sent.
	seen := map[payload.Type]bool{}
	h.Events = slices.DeleteFunc(slices.Clone(h.Events), func(e payload.Type) bool {
		again := seen[e]
		seen[e] = true
		return again
	})
	return nil
}

// checkText refuses what no header can hold.
func checkText(what, text string) error {
	unfit := func(r rune) bool { return r < ' ' || r == 0x7f }
	if len(text) > maxText || strings.ContainsFunc(text, unfit) {
		return errdefs.Errorf(errdefs.ErrInvalid, "webhook: %s is one line of at most %d bytes", what, maxText)
	}
	return nil
}

// Receiver is the beginning of the address, which tells no secret: those of chats are
// in the path.
func (h *Webhook) Receiver() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
