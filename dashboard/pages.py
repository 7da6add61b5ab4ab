"""The small pages outside the application: sign-in and notices. Self-contained HTML, no script, nothing loaded from anywhere."""

from __future__ import annotations

from html import escape
from typing import Final

_STYLE: Final = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#16202e;--dim:#566375;--line:#d5dbe3;--brand:#0f6a68;
--bad:#9b1c31;--badbg:#fdecef}
@media(prefers-color-scheme:dark){:root{--bg:#10161f;--card:#18212d;--ink:#e7ecf2;--dim:#a2afbf;--line:#314052;--brand:#4fb8b3;
--bad:#ffb3bf;--badbg:#3c1a22}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:var(--ink);padding:1.5rem;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{width:100%;max-width:25rem;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:2rem}
h1{font-size:1.35rem;margin:0 0 .25rem;display:flex;align-items:center;gap:.6rem}
p{margin:.25rem 0 1.25rem;color:var(--dim)}
label{display:block;font-weight:600;font-size:.9rem;margin:0 0 .3rem}
input{width:100%;font:inherit;color:inherit;background:transparent;padding:.6rem .7rem;border:1px solid var(--line);
border-radius:8px;margin:0 0 1rem}
button,a.button{display:block;width:100%;text-align:center;text-decoration:none;font:inherit;font-weight:600;color:#fff;
background:#0f6a68;border:0;border-radius:8px;padding:.7rem;cursor:pointer}
input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid var(--brand);outline-offset:2px}
.bad{color:var(--bad);background:var(--badbg);border-radius:8px;padding:.6rem .75rem;margin:0 0 1rem}
.hint{font-size:.875rem;margin:1.25rem 0 0}
code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.85em}
svg{width:1.7rem;height:1.7rem;color:var(--brand)}
"""
GATE_MARK: Final = (
    '<svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" aria-hidden="true">'
    '<path d="M4 5v22M28 5v22M5 9l10 6v11M27 9l-10 6v11"/></svg>'
)


def sign_in_page(message: str = "", next_path: str = "/") -> str:
    """The sign-in form. `message` says why the last try failed."""
    problem = f'<div class="bad" role="alert">{escape(message)}</div>' if message else ""
    return _page(
        "Sign in",
        f"""<h1>{GATE_MARK}Lockgate</h1><p>Sign in to see audit, spend and redactions.</p>{problem}
<form method="post" action="/login"><input type="hidden" name="next" value="{escape(next_path, quote=True)}">
<label for="name">Name</label><input id="name" name="name" autocomplete="username" required autofocus maxlength="255">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">
<button type="submit">Sign in</button></form>
<p class="hint">No account? An administrator makes one with <code>lockgate users add NAME --role auditor</code>.
<code>lockgate up</code> prints a link that signs you in once.</p>""",
    )


def notice_page(title: str, text: str, link: str = "/", label: str = "Try again") -> str:
    """A page that says one thing and what to do next."""
    return _page(
        title,
        f'<h1>{GATE_MARK}{escape(title)}</h1><p>{escape(text)}</p><a class="button" href="{escape(link, quote=True)}">{escape(label)}</a>',
    )


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · Lockgate</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
