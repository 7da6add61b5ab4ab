"""Payments, shops and banking: Stripe, Shopify, Square, PayPal, Plaid and their kin."""

from __future__ import annotations

from redactors.rules.checks import drawn, hexadecimal
from redactors.rules.model import Rule
from redactors.rules.samples import ALNUM, BASE64, DIGITS, HEX, LOWER_ALNUM, URLSAFE, mixed, uuid
from redactors.rules.shapes import beside, prefixed

RULES: tuple[Rule, ...] = (
    prefixed("stripe-live-key", "stripe_key", "Stripe secret key, live; Paystack and Clerk keys have the same form", "sk_live_", ALNUM, (24, 99), least=16, accepts="A-Za-z0-9_", source="https://docs.stripe.com/keys"),
    prefixed("stripe-test-key", "stripe_key", "Stripe secret key, test", "sk_test_", ALNUM, (24, 99), least=16, accepts="A-Za-z0-9_", source="https://docs.stripe.com/keys"),
    prefixed("stripe-restricted-key", "stripe_key", "Stripe restricted key", ("rk_live_", "rk_test_"), ALNUM, (24, 99), least=16, accepts="A-Za-z0-9_", source="https://docs.stripe.com/keys#create-restricted-api-secret-key"),
    prefixed("stripe-organization-key", "stripe_key", "Stripe organization key", ("sk_org_live_", "sk_org_test_", "sk_org_"), ALNUM, (24, 99), least=16, source="https://docs.stripe.com/keys"),
    prefixed("shopify-admin-token", "shopify_token", "Shopify Admin API access token", ("shpat_", "shpca_", "shppa_"), HEX, 32, least=28, source="https://shopify.dev/docs/apps/build/authentication-authorization"),
    prefixed("shopify-secret", "shopify_secret", "Shopify app secret, refresh and storefront private tokens", ("shpss_", "shprt_", "shptka_", "shpua_", "shpsb_"), HEX, 32, least=28, source="https://shopify.dev/docs/apps/build/authentication-authorization"),
    prefixed("square-token", "square_token", "Square access token", ("sq0atp-", "sq0csp-", "sq0idp-"), URLSAFE, (22, 43), least=20, source="https://developer.squareup.com/docs/build-basics/access-tokens"),
    prefixed("square-production-token", "square_token", "Square access token of the second generation", "EAAA", URLSAFE, 60, least=56, source="https://developer.squareup.com/docs/build-basics/access-tokens", validate=drawn),
    prefixed("braintree-token", "paypal_token", "PayPal and Braintree access token", ("access_token$production$", "access_token$sandbox$"), LOWER_ALNUM, 16, least=12, tail=r"\$[a-f0-9]{32}", tail_sample=lambda rng: "$" + mixed(rng, HEX, 32), source="https://developer.paypal.com/braintree/docs/start/go-live"),
    beside("paypal-secret", "paypal_secret", "PayPal client secret", ("paypal",), URLSAFE, 80, body="E[A-Za-z0-9_-]{79}", sample=lambda rng: "E" + mixed(rng, ALNUM, 79), source="https://developer.paypal.com/api/rest/"),
    prefixed("plaid-token", "plaid_token", "Plaid access, public and processor tokens", ("access-production-", "access-sandbox-", "access-development-", "processor-production-", "public-production-"), HEX, 8, least=8, tail="-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}", tail_sample=lambda rng: uuid(rng)[8:], source="https://plaid.com/docs/api/tokens/"),
    beside("plaid-secret", "plaid_secret", "Plaid secret", ("plaid",), HEX, 30, source="https://plaid.com/docs/quickstart/", validate=hexadecimal),
    prefixed("razorpay-key", "razorpay_key", "Razorpay key id", ("rzp_live_", "rzp_test_"), ALNUM, 14, least=12, source="https://razorpay.com/docs/payments/dashboard/account-settings/api-keys/"),
    prefixed("flutterwave-key", "flutterwave_key", "Flutterwave secret key", ("FLWSECK-", "FLWSECK_TEST-", "FLWSECK_TEST"), ALNUM, 32, least=12, accepts="A-Za-z0-9-", source="https://developer.flutterwave.com/docs/authentication"),
    prefixed("mollie-key", "mollie_key", "Mollie API key", ("live_", "test_"), ALNUM, 30, least=28, source="https://docs.mollie.com/reference/authentication", validate=drawn),
    prefixed("mollie-access-token", "mollie_key", "Mollie organization access token", "access_", ALNUM, 40, least=36, source="https://docs.mollie.com/reference/authentication", validate=drawn),
    prefixed("adyen-key", "adyen_key", "Adyen API key", "AQE", BASE64, 120, least=80, accepts="A-Za-z0-9+/=*.-", source="https://docs.adyen.com/development-resources/api-credentials/", validate=drawn, longest=768),
    prefixed("easypost-key", "easypost_key", "EasyPost API key", ("EZAK", "EZTK"), ALNUM, 54, least=50, source="https://docs.easypost.com/docs/authentication"),
    prefixed("shippo-token", "shippo_token", "Shippo API token", ("shippo_live_", "shippo_test_"), HEX, 40, least=36, source="https://docs.goshippo.com/docs/guides_general/authentication/"),
    prefixed("duffel-token", "duffel_token", "Duffel API token", ("duffel_live_", "duffel_test_"), URLSAFE, 43, least=32, source="https://duffel.com/docs/api/overview/authentication"),
    prefixed("checkout-key", "checkout_key", "Checkout.com secret key", ("sk_sbox_", "sk_prod_"), LOWER_ALNUM, 28, least=20, source="https://www.checkout.com/docs/developer-resources/api/manage-api-keys"),
    prefixed("mercado-pago-token", "mercado_pago_token", "Mercado Pago access token", "APP_USR-", DIGITS, 16, least=14, tail="-[0-9]{6}-[a-f0-9]{32}-[0-9]{6,12}", tail_sample=lambda rng: f"-{mixed(rng, DIGITS, 6)}-{mixed(rng, HEX, 32)}-{mixed(rng, DIGITS, 9)}", source="https://www.mercadopago.com/developers/en/docs/your-integrations/credentials"),
    prefixed("polar-token", "polar_token", "Polar access token", ("polar_oat_", "polar_pat_", "polar_whs_"), ALNUM, 43, least=28, source="https://docs.polar.sh/integrate/oat"),
    prefixed("paddle-key", "paddle_key", "Paddle API key", ("pdl_live_apikey_", "pdl_sdbx_apikey_", "pdl_ntfset_"), LOWER_ALNUM, 50, least=24, accepts="A-Za-z0-9_", source="https://developer.paddle.com/api-reference/about/authentication"),
    prefixed("xendit-key", "xendit_key", "Xendit secret key", ("xnd_production_", "xnd_development_"), ALNUM, 56, least=32, source="https://docs.xendit.co/docs/api-keys"),
    prefixed("klarna-key", "klarna_key", "Klarna API credential", ("klarna_live_api_", "klarna_test_api_"), URLSAFE, 60, least=30, source="https://docs.klarna.com/api/authentication/"),
    beside("coinbase-secret", "coinbase_key", "Coinbase API secret", ("coinbase",), URLSAFE, 64, source="https://docs.cdp.coinbase.com/get-started/authentication/overview"),
    beside("binance-key", "binance_key", "Binance API key and secret", ("binance",), ALNUM, 64, source="https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security"),
    beside("kraken-key", "kraken_key", "Kraken private key", ("kraken",), BASE64, 86, body="[A-Za-z0-9+/]{86}", source="https://docs.kraken.com/api/docs/guides/spot-rest-auth"),
    beside("lob-key", "lob_key", "Lob API key", ("lob",), HEX, 35, body="(?:live|test)_[a-f0-9]{35}", sample=lambda rng: "live_" + mixed(rng, HEX, 35), source="https://docs.lob.com/#tag/Authentication"),
)
