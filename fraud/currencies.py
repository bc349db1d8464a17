"""ISO 4217: currency codes, their numbers and how many decimals their minor unit has."""

_NUMBER_BY_CODE = {
    code: int(number)
    for code, number in (
        pair.split(":")
        for pair in (
            "AED:784 AFN:971 ALL:8 AMD:51 AOA:973 ARS:32 AUD:36 AWG:533 AZN:944 BAM:977 BBD:52 BDT:50 BGN:975 BHD:48 "
            "BIF:108 BMD:60 BND:96 BOB:68 BOV:984 BRL:986 BSD:44 BTN:64 BWP:72 BYN:933 BZD:84 CAD:124 CDF:976 CHE:947 CHF:756 "
            "CHW:948 CLF:990 CLP:152 CNY:156 COP:170 COU:970 CRC:188 CUP:192 CVE:132 CZK:203 DJF:262 DKK:208 DOP:214 DZD:12 "
            "EGP:818 ERN:232 ETB:230 EUR:978 FJD:242 FKP:238 GBP:826 GEL:981 GHS:936 GIP:292 GMD:270 GNF:324 GTQ:320 GYD:328 "
            "HKD:344 HNL:340 HTG:332 HUF:348 IDR:360 ILS:376 INR:356 IQD:368 IRR:364 ISK:352 JMD:388 JOD:400 JPY:392 KES:404 "
            "KGS:417 KHR:116 KMF:174 KPW:408 KRW:410 KWD:414 KYD:136 KZT:398 LAK:418 LBP:422 LKR:144 LRD:430 LSL:426 LYD:434 "
            "MAD:504 MDL:498 MGA:969 MKD:807 MMK:104 MNT:496 MOP:446 MRU:929 MUR:480 MVR:462 MWK:454 MXN:484 MXV:979 MYR:458 "
            "MZN:943 NAD:516 NGN:566 NIO:558 NOK:578 NPR:524 NZD:554 OMR:512 PAB:590 PEN:604 PGK:598 PHP:608 PKR:586 PLN:985 "
            "PYG:600 QAR:634 RON:946 RSD:941 RUB:643 RWF:646 SAR:682 SBD:90 SCR:690 SDG:938 SEK:752 SGD:702 SHP:654 SLE:925 "
            "SOS:706 SRD:968 SSP:728 STN:930 SVC:222 SYP:760 SZL:748 THB:764 TJS:972 TMT:934 TND:788 TOP:776 TRY:949 TTD:780 "
            "TWD:901 TZS:834 UAH:980 UGX:800 USD:840 USN:997 UYI:940 UYU:858 UYW:927 UZS:860 VED:926 VES:928 VND:704 VUV:548 "
            "WST:882 XAF:950 XCD:951 XCG:532 XOF:952 XPF:953 XXX:999 YER:886 ZAR:710 ZMW:967 ZWG:924"
        ).split()
    )
}
_DECIMALS_BY_CODE = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
NO_CURRENCY = "XXX"
"""ISO 4217's own code for "no currency": a payment without one before any policy names a default."""


def is_known(code: str) -> bool:
    """Whether ISO 4217 lists the code."""
    return code in _NUMBER_BY_CODE


def number(code: str) -> int:
    """The three-digit number, as an integer. KeyError for a code that ISO 4217 does not list."""
    return _NUMBER_BY_CODE[code]


def decimals(code: str) -> int:
    """Decimals of the minor unit: JPY 0, EUR 2, KWD 3."""
    return _DECIMALS_BY_CODE.get(code, 2)


def code_of(number_: int) -> str:
    """The letters for a number."""
    return _CODE_BY_NUMBER[number_]


_CODE_BY_NUMBER = {number_: code for code, number_ in _NUMBER_BY_CODE.items()}


_SCALES = (1, 10, 100, 1_000, 10_000)


def to_minor(amount: float, code: str) -> int:
    """Minor units of a major amount, rounded half-even where it has more decimals than the currency."""
    return round(amount * _SCALES[decimals(code)])


def to_major(minor: int, code: str) -> float:
    """Major units, the nearest float64."""
    return minor / _SCALES[decimals(code)]
