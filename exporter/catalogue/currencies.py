"""Currencies with the number of decimals between their minor and their whole unit.

Source: Stripe's list of supported currencies and its special cases: ISK and UGX have no
decimals in daily life and are still sent as two-decimal amounts.
"""

_ZERO = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE = "bhd jod kwd omr tnd"
_TWO = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd "
    "cad cdf chf cny cop crc cup cve czk dkk dop dzd egp etb eur fjd fkp gbp gel ghs gip gmd gtq "
    "gyd hkd hnl hrk htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl ltl lvl "
    "mad mdl mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php "
    "pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sll sos srd std stn svc szl thb tjs tmt "
    "top try ttd twd tzs uah ugx usd usdc uyu uzs ved ves wst xcd yer zar zmw"
)

DECIMALS: dict[str, int] = {
    **dict.fromkeys(_ZERO.split(), 0),
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_THREE.split(), 3),
}
CURRENCIES: tuple[str, ...] = tuple(sorted(DECIMALS))
