package kept

import "testing"

// TestText: what databases take is kept as it is, and the caller's arguments are never changed.
func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "plain": "plain", "größe, 名": "größe, 名", "\uFFFD": "\uFFFD", "a\x00b": "a\uFFFDb", "\xff\xfe": "\uFFFD", "a\x00\xffb": "a\uFFFD\uFFFDb",
		"\x00\x00": "\uFFFD\uFFFD",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q is kept as %q, want %q", text, got, want)
		}
	}
	args := []any{1, "plain", "a\x00", []byte{0}, "\xff"}
	got := Texts(args)
	if args[2] != "a\x00" || got[2] != "a\uFFFD" || got[4] != "\uFFFD" || got[1] != "plain" || got[0] != 1 {
		t.Errorf("%q of %q", got, args)
	}
	if whole := []any{"x", 2}; &Texts(whole)[0] != &whole[0] {
		t.Error("arguments that need no change are copied")
	}
	if len(Texts(nil)) != 0 {
		t.Error("nothing becomes something")
	}
}
