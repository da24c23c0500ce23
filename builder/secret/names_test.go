package secret

import "testing"

func TestNamed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"NPM_TOKEN": true, "apikey": true, "DB_PASSWORD": true, "PUBLIC_KEY": false, "KEY_FILE": false,
		"TOKENIZER": false, "VERSION": false, "AUTH_VERSION": false, "": false,
	} {
		if got := Named(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMaskArg(t *testing.T) {
	t.Parallel()
	set := Of(map[string][]byte{"a": []byte("topsecret")})
	for _, c := range [][3]string{
		{"VERSION", "1.2", "1.2"},
		{"VERSION", "x-topsecret", "x-***"},
		{"NPM_TOKEN", "anything", "***"},
		{"NPM_TOKEN", "", ""},
		{"PROXY", "http://me:pass@proxy:3128/x", "http://xxxxx:xxxxx@proxy:3128/x"},
		{"URL", "https://example.com/a@b", "https://example.com/a@b"},
		{"URL", "http://[me:pass@proxy", "***"},
		{"MAIL", "me@example.com", "me@example.com"},
	} {
		if got := set.MaskArg(c[0], c[1]); got != c[2] {
			t.Errorf("%s=%s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
	if got := Of(nil).Mask("topsecret"); got != "topsecret" {
		t.Error(got)
	}
}
