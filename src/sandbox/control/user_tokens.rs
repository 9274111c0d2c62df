//! Tokens that people let GitHub make for an App.

use crate::domain::Millis;
use crate::sandbox::Sandbox;
use crate::sandbox::world::UserToken;

impl Sandbox {
    pub fn client_id(&self) -> String {
        self.shared().world().client_id()
    }

    pub fn client_secret(&self) -> String {
        self.shared().world().client_secret()
    }

    /// One for this App, or for another one by its client id, that ends after so many seconds.
    pub fn user_token(&self, login: &str, app: Option<&str>, seconds: i64) -> String {
        self.shared().change(|world| {
            let client = app.map_or_else(|| world.client_id(), str::to_owned);
            let token = format!("ghu_{:036x}", rand::random::<u128>());
            world.account(login);
            let expires = Millis(world.now().0 + seconds * 1_000);
            world.user_tokens.insert(token.clone(), UserToken { login: login.to_owned(), client, expires });
            token
        })
    }

    /// The person takes it back.
    pub fn revoke_user_token(&self, token: &str) {
        self.shared().change(|world| world.user_tokens.remove(token));
    }
}
