"""What ordinary users buy: shop, price, card, device and answer of every payment in a diary."""

import numpy as np

from fraud.columns import Bools, Hashes, Ints
from fraud.schema import Authentication, Channel, EntryMode, Initiator, Kind, Outcome
from producer.categories import BY_NOUN, EUROS, SPREAD, SUBSCRIPTIONS, WAY, Way, bought
from producer.drafts import Drafts, code
from producer.moments import REFUND, RETRY, REVERSAL, SLOTS, SPREE, SUBSCRIPTION, Diary, Moments
from producer.rhythm import HOUR
from producer.world import World

_HABITS = np.array([0.45, 0.68, 0.80])
"""Shares of the first, second and third habitual merchant of a category; the rest of the time people look around."""
_CHANNEL_BY_WAY: Ints = np.array(
    [code(Channel.POS), code(Channel.ONLINE), code(Channel.ATM), code(Channel.TRANSFER)], np.int64
)
_KIND_BY_WAY: Ints = np.array(
    [code(Kind.PURCHASE), code(Kind.PURCHASE), code(Kind.CASH), code(Kind.TRANSFER)], np.int64
)
_DECLINED_ONLINE, _DECLINED_PRESENT = 0.088, 0.017
_OTHER_IP = 0.025
_UNKNOWN_DEVICE = 0.08
_BORROWED_DEVICE = 0.03


class Ordinary:
    """Turns moments of the diary into payments."""

    def __init__(self, world: World, diary: Diary) -> None:
        """Nothing is kept."""
        self._world = world
        self._draws = world.draws
        self._diary = diary

    def drafts(self, moments: Moments) -> Drafts:
        """One draft for every moment, in its order."""
        key = self._draws.bits("payment", moments.user, moments.day * 1024 + moments.slot)
        drafts = Drafts.blank(user=moments.user, key=key, at=moments.at, home=moments.home, city=moments.city)
        drafts.is_trip = moments.is_trip
        self._buy(moments, drafts)
        self._subscribe(moments, drafts)
        way = WAY[self._world.merchants.category(drafts.merchant)]
        drafts.kind, drafts.channel = _KIND_BY_WAY[way], _CHANNEL_BY_WAY[way]
        drafts.card = self._draws.integer("card", self._world.users.cards(drafts.user), key) * (
            self._draws.uniform("which card", key) < 0.5
        )
        self._pay_in_person(drafts, np.flatnonzero((way == Way.SHOP) | (way == Way.CASH_MACHINE)))
        self._pay_remotely(drafts, np.flatnonzero((way == Way.ONLINE) | (way == Way.TRANSFER)))
        self._answer(moments, drafts)
        return drafts.take(~self._impossible_refunds(moments, way, drafts))

    def _impossible_refunds(self, moments: Moments, way: Ints, drafts: Drafts) -> Bools:
        """Cash, transfers, verifications and declined payments are not refunded."""
        _, _, origin = self._origin(moments)
        never = (way == Way.CASH_MACHINE) | (way == Way.TRANSFER) | (drafts.euros == 0.0)
        never |= self._draws.chance("answer", _DECLINED_ONLINE, origin)
        return np.asarray(never & (moments.slot >= REFUND))

    def _origin(self, moments: Moments) -> tuple[Ints, Ints, Hashes]:
        """Day, slot and key of the payment that this one follows from; its own where it follows from none."""
        is_refund = moments.slot >= REFUND
        day = np.where(is_refund, moments.day - (moments.slot - REFUND), moments.day)
        first = np.where(is_refund, 0, moments.slot % SLOTS)
        return day, first, self._draws.bits("payment", moments.user, day * 1024 + first)

    def _buy(self, moments: Moments, drafts: Drafts) -> None:
        """Category, merchant and price; a reversal or refund repeats those of the payment that it undoes."""
        day, first, origin = self._origin(moments)
        draw, _ = self._diary.echo(moments.user, day, first)
        own_price = (moments.slot >= SLOTS) & (moments.slot < SUBSCRIPTION) & (draw >= RETRY) & (draw < SPREE)
        _, profile, _ = self._world.users.habits(moments.user)
        hour = self._diary.local_time(moments.user, day, first, profile) // HOUR
        category = bought(self._draws.uniform("category", origin), hour, moments.is_trip.astype(np.int64))
        category = self._in_person_instead(moments.user, category, origin)
        drafts.merchant = self._merchant(moments, category, origin)
        normal = self._draws.normal("price", np.where(own_price, drafts.key, origin))
        drafts.euros = EUROS[category] * np.exp(SPREAD[category] * normal) * self._world.users.taste(moments.user)

    def _in_person_instead(self, user: Ints, category: Ints, origin: Hashes) -> Ints:
        """People who do not like to buy on the internet go to the market or the shop around the corner."""
        stays = self._draws.uniform("shop instead", origin) > self._world.users.online_share(user)
        shop = np.where(self._draws.chance("market", 0.6, origin), BY_NOUN["Market"], BY_NOUN["Corner Shop"])
        return np.where(stays & (WAY[category] == Way.ONLINE), shop, category)

    def _merchant(self, moments: Moments, category: Ints, origin: Hashes) -> Ints:
        """A habitual merchant of the category, or another; on a trip always another."""
        habit = np.searchsorted(_HABITS, self._draws.uniform("habit", origin), side="right")
        at_home = ~moments.is_trip | (WAY[category] == Way.ONLINE)
        favourite = self._draws.uniform("favourite", moments.user, category * 4 + habit)
        other = self._draws.uniform("other merchant", origin)
        return self._world.merchants.popular(
            np.where(at_home & (habit < len(_HABITS)), favourite, other), category, moments.city
        )

    def _subscribe(self, moments: Moments, drafts: Drafts) -> None:
        row = np.flatnonzero((moments.slot >= SUBSCRIPTION) & (moments.slot < REFUND))
        user, number = moments.user[row], moments.slot[row] - SUBSCRIPTION
        category = SUBSCRIPTIONS[self._draws.integer("subscription", len(SUBSCRIPTIONS), user, number)]
        quantile = self._draws.uniform("subscription merchant", user, number)
        drafts.merchant[row] = self._world.merchants.popular(quantile, category, moments.city[row])
        normal = self._draws.normal("subscription price", user, number * 64 + moments.day[row] // 400)
        drafts.euros[row] = EUROS[category] * np.exp(SPREAD[category] * normal)
        drafts.initiator[row] = code(Initiator.MERCHANT)

    def _pay_in_person(self, drafts: Drafts, row: Ints) -> None:
        """Chip or contactless, now and then the stripe; wallets pay with the phone."""
        key, user = drafts.key[row], drafts.user[row]
        is_cash = drafts.channel[row] == code(Channel.ATM)
        mode = self._draws.uniform("entry", key)
        wallet = self._world.users.uses_wallet(user) & (mode < 0.55) & ~is_cash
        near = wallet | (mode < np.where(drafts.euros[row] < 50, 0.74, 0.30)) & ~is_cash
        entry = np.where(near, code(EntryMode.CONTACTLESS), code(EntryMode.CHIP))
        entry[mode > 0.988] = code(EntryMode.STRIPE)
        entry[mode > 0.993] = code(EntryMode.FALLBACK)
        drafts.entry_mode[row] = entry
        asked = ~near & ((mode < 0.96) | is_cash)
        drafts.authentication[row] = np.where(asked, code(Authentication.PIN), code(Authentication.NONE))
        phone, age = self._world.users.phone(user, drafts.at[row] // (24 * HOUR))
        drafts.device[row] = np.where(wallet, phone, np.uint64(0))
        drafts.phone_days[row] = np.where(wallet, age, -1)

    def _pay_remotely(self, drafts: Drafts, row: Ints) -> None:
        """On the phone or another device of the household, from where the user is."""
        key = drafts.key[row]
        by_merchant = drafts.initiator[row] == code(Initiator.MERCHANT)
        on_file = by_merchant | self._draws.chance("on file", 0.35, key)
        drafts.entry_mode[row] = np.where(on_file, code(EntryMode.ON_FILE), code(EntryMode.ECOMMERCE))
        drafts.entry_mode[row[~by_merchant & self._draws.chance("keyed", 0.015, key)]] = code(EntryMode.KEYED)
        drafts.authentication[row] = self._authentication(drafts, row, by_merchant)
        self._use_device(drafts, row[~by_merchant])
        country = self._world.places.country[drafts.city[row]]
        elsewhere = self._draws.integer("other country", len(self._world.places.countries), key)
        country = np.where(self._draws.chance("other ip", _OTHER_IP, key), elsewhere, country)
        drafts.ip_country[row] = np.where(by_merchant, 0, country + 1)
        verifies = ~by_merchant & ~on_file & self._draws.chance("verification", 0.03, key)
        verifies &= drafts.channel[row] == code(Channel.ONLINE)
        drafts.kind[row[verifies]] = code(Kind.VERIFICATION)
        drafts.euros[row[verifies]] = 0.0

    def _authentication(self, drafts: Drafts, row: Ints, by_merchant: Bools) -> Ints:
        draw = self._draws.uniform("authentication", drafts.key[row]) - np.where(drafts.euros[row] > 100, 0.25, 0.0)
        answer = np.full(len(row), code(Authentication.NONE))
        answer[draw < 0.90] = code(Authentication.EXEMPT)
        answer[draw < 0.60] = code(Authentication.FRICTIONLESS)
        answer[draw < 0.22] = code(Authentication.CHALLENGE)
        return np.where(by_merchant, code(Authentication.EXEMPT), answer)

    def _use_device(self, drafts: Drafts, row: Ints) -> None:
        key, user = drafts.key[row], drafts.user[row]
        draw = self._draws.uniform("device", key)
        phone, age = self._world.users.phone(user, drafts.at[row] // (24 * HOUR))
        number = self._draws.integer("which device", 2, key)
        device = np.where(draw < 0.62, phone, self._world.users.device(user, number))
        device[draw > 1 - _UNKNOWN_DEVICE - _BORROWED_DEVICE] = 0
        borrowed = draw > 1 - _BORROWED_DEVICE
        device[borrowed] = self._draws.bits("borrowed device", key[borrowed])
        drafts.device[row] = device
        drafts.phone_days[row] = np.where(draw < 0.62, age, -1)

    def _answer(self, moments: Moments, drafts: Drafts) -> None:
        """Declined or approved, and what a payment that follows another one does."""
        draw, _ = self._diary.echo(moments.user, moments.day, moments.slot % SLOTS)
        is_slot = moments.slot < SUBSCRIPTION
        is_first = moments.slot < SLOTS
        remote = (drafts.channel == code(Channel.ONLINE)) | (drafts.channel == code(Channel.TRANSFER))
        chance = np.where(remote, _DECLINED_ONLINE, _DECLINED_PRESENT)
        chance = np.where(is_slot & ~is_first & (draw < RETRY), 0.4, chance)
        declined = self._draws.uniform("answer", drafts.key) < chance
        declined |= is_first & (draw < RETRY)
        back = moments.slot >= REFUND
        reversed_ = is_slot & ~is_first & (draw >= SPREE) & (draw < REVERSAL)
        undone = is_first & (draw >= SPREE) & (draw < REVERSAL)
        drafts.kind[back] = code(Kind.REFUND)
        drafts.kind[reversed_] = code(Kind.REVERSAL)
        drafts.outcome[declined & ~back & ~reversed_ & ~undone] = code(Outcome.DECLINED)
